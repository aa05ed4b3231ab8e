/* file_value - table values that are made of files (postmap -F): the base64 form of what the files hold, one after
 * another, with a line end between them. Keys and certificates get into a table that way. */
#ifndef UTIL_TABLE_FILE_VALUE_H
#define UTIL_TABLE_FILE_VALUE_H

#include <stdbool.h>

#include "util/base/error.h"
#include "util/base/text.h"

/* Reads the files named in paths, a list with commas or white space. Appends. False: "open PATH: reason". */
bool file_value_encode(const char *paths, struct text *encoded, struct error *error);

#endif
