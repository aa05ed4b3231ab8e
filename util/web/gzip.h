/* gzip - RFC 1952, by zlib. */
#ifndef UTIL_WEB_GZIP_H
#define UTIL_WEB_GZIP_H

#include <stddef.h>

#include "util/base/text.h"

/* Appends the bytes in that form. */
void gzip_append(const void *bytes, size_t length, struct text *out);

#endif
