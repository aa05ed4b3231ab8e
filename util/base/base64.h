/* base64 - RFC 4648 section 4: the usual alphabet, padded, without line ends. */
#ifndef UTIL_BASE_BASE64_H
#define UTIL_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/text.h"

/* Both append. Decoding is false for what encoding cannot have made; nothing has been appended then. */
void base64_encode(const void *bytes, size_t length, struct text *encoded);
bool base64_decode(const char *encoded, struct text *bytes);

#endif
