/* base64 - RFC 4648 section 4, strictly: whole groups of four, padding only at the end, no unused bits set. */
#ifndef UTIL_BASE_BASE64_H
#define UTIL_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/text.h"

/* Both append. What does not decode leaves the text as it was. */
void base64_encode(const void *bytes, size_t length, struct text *encoded);
bool base64_decode(const char *encoded, struct text *bytes);
bool base64_valid(const char *encoded);

#endif
