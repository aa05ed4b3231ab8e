/* pattern - what a person types to find text: "text", the whole of it, or "/expression/flags", a Perl compatible
 * expression somewhere in it. Neither minds case; flags are those of pcre_table(5). */
#ifndef UTIL_TABLE_PATTERN_H
#define UTIL_TABLE_PATTERN_H

#include <stdbool.h>

#include "util/base/error.h"

struct pattern;

struct pattern *pattern_new(const char *words, struct error *error); /* NULL: error */
void pattern_free(struct pattern *pattern);                          /* NULL is fine */
/* Runs in any thread. An expression that takes too long to match does not; failure says so then, and is else untouched. */
bool pattern_matches(const struct pattern *pattern, const char *string, struct error *failure);

#endif
