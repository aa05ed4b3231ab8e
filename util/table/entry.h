/* entry - one `key whitespace value` line of a table's source, as postmap and texthash: read it (postmap(1)). */
#ifndef UTIL_TABLE_ENTRY_H
#define UTIL_TABLE_ENTRY_H

#include <stdbool.h>

/* Takes the line apart in place. Double quotes in a key protect white space, and stay part of the key. False: the
 * line was no entry; a warning with path and line has been logged, ended by `consequence`, which is "" or
 * " -- ignoring this line". */
bool table_entry_split(char *text, const char *path, int line, const char *consequence, char **key, char **value);

#endif
