#include "util/web/gzip.h"

#include <assert.h>
#include <stdint.h>
#include <zlib.h>

/* zlib's way to ask for gzip's frame, with the largest window; and its own choice of memory. */
enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };

void gzip_append(const void *bytes, size_t length, struct text *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes};
    uLong bound;
    int status = deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);

    assert(status == Z_OK && length <= UINT32_MAX / 2);
    bound = deflateBound(&stream, length);
    text_reserve(out, bound);
    stream.avail_in = (uInt)length;
    stream.next_out = (Bytef *)out->data + out->length;
    stream.avail_out = (uInt)bound;
    status = deflate(&stream, Z_FINISH);
    assert(status == Z_STREAM_END);
    out->length += stream.total_out;
    out->data[out->length] = '\0';
    deflateEnd(&stream);
}
