/* names - splitting what main.cf writes about tables. */
#ifndef UTIL_TABLE_NAMES_H
#define UTIL_TABLE_NAMES_H

/* The next word of *cursor, in place; words are separated by white space and commas, except inside braces, which stay
 * part of the word: "inline:{a=b, {c = d e}}" is one. NULL at the end. */
char *table_names_next(char **cursor);

#endif
