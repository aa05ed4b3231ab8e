/* json - what our commands write for programs: RFC 8259, one object a line. */
#ifndef UTIL_BASE_JSON_H
#define UTIL_BASE_JSON_H

#include "util/base/text.h"

/* A string with its quotes (section 7). What is not UTF-8 has no form there: each byte beyond ASCII becomes '?'. */
void json_append_string(struct text *text, const char *string);

/* "name": "value" */
void json_append_member(struct text *text, const char *name, const char *value);

#endif
