/* Messages made fit for servers without 8BITMIME: everything is taken, and what comes out is not much longer. */
#include <assert.h>
#include <string.h>

#include "mail/message/mime.h"
#include "tests/fuzz/fuzz.h"

static bool take(void *context, const char *line, size_t length)
{
    assert(length == 0 || line != NULL);
    *(size_t *)context += length + 1;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mime_limits limits = {.nesting = 5, .boundary_length = 60};
    struct fuzz_input input = fuzz_input(data, size);
    size_t written = 0;
    struct mime_downgrade *downgrade = mime_downgrade_new(&limits, take, &written);

    while (input.length > 0) {
        const char *end = memchr(input.bytes, '\n', input.length);
        size_t length = end != NULL ? (size_t)(end - input.bytes) : input.length;

        assert(mime_downgrade_line(downgrade, input.bytes, length));
        length += end != NULL;
        input.bytes += length;
        input.length -= length;
    }
    assert(mime_downgrade_end(downgrade));
    assert(written <= 5 * size + 100); /* =XX and soft line ends, and one header field */
    mime_downgrade_free(downgrade);
    return 0;
}
