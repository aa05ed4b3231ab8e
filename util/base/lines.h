/* lines - the logical lines that main.cf, master.cf and lookup tables are made of.
 *
 * A logical line starts with something other than white space and goes on in the lines after it that start with
 * white space. Empty lines, and lines whose first visible character is #, are skipped wherever they stand, also
 * inside a logical line. White space at the end goes away. A first line that starts with white space has nothing to
 * continue: it is warned of and skipped. */
#ifndef UTIL_BASE_LINES_H
#define UTIL_BASE_LINES_H

#include <stdbool.h>
#include <stdio.h>

#include "util/base/error.h"

struct line_reader;

/* The reader owns the file it opens; a file given to line_reader_new stays the caller's. */
struct line_reader *line_reader_open(const char *path, struct error *error); /* "open PATH: reason" */
struct line_reader *line_reader_new(FILE *file, const char *path);
void line_reader_close(struct line_reader *reader);

/* The next logical line, NULL at the end or when reading fails (line_reader_failed). The caller may write into
 * it; it is gone at the next call. */
char *line_reader_next(struct line_reader *reader);

int line_reader_number(const struct line_reader *reader); /* where the line at hand starts, from 1 */
const char *line_reader_path(const struct line_reader *reader);
FILE *line_reader_file(const struct line_reader *reader);
bool line_reader_failed(const struct line_reader *reader, struct error *error);

#endif
