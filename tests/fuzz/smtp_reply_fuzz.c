/* What servers answer, to EHLO too. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/ehlo.h"
#include "smtp/reply.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    struct smtp_reply reply = {0};
    struct ehlo_offer offer;
    struct arena *arena = arena_new();

    while (input.length > 0) {
        const char *end = memchr(input.bytes, '\n', input.length);
        size_t length = end != NULL ? (size_t)(end - input.bytes) : input.length;
        char *text = fuzz_line(&input);

        if (smtp_reply_add_line(&reply, text, length)) {
            assert(reply.code >= 200 && reply.code <= 599);
            assert(reply.text.length <= REPLY_TEXT_LIMIT + 1);
            ehlo_parse(text_string(&reply.text), 0, &offer);
            assert(offer.size_limit >= 0);
            assert(strpbrk(smtp_reply_line(&reply, arena), "\r\n") == NULL);
            smtp_reply_clear(&reply);
        }
        free(text);
    }
    smtp_reply_free(&reply);
    arena_free(arena);
    return 0;
}
