/* What follows DATA: however the bytes arrive, the text is the same, and the content ends at the same place. */
#include <assert.h>
#include <string.h>

#include "smtpd/content.h"
#include "tests/fuzz/fuzz.h"

static size_t decode(struct fuzz_input input, enum bare_newline mode, bool dots, size_t piece, struct text *out)
{
    struct content_decoder decoder;
    size_t consumed = 0;

    content_decoder_init(&decoder, mode, dots);
    while (consumed < input.length && !decoder.ended) {
        size_t left = input.length - consumed, length = left < piece ? left : piece;
        size_t taken = content_decode(&decoder, input.bytes + consumed, length, out);

        assert(taken <= length && (taken == length || decoder.ended));
        consumed += taken;
    }
    if (!decoder.ended)
        content_decoder_finish(&decoder, out);
    return consumed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    unsigned choice = fuzz_byte(&input);
    enum bare_newline mode = (enum bare_newline)(choice % 3);
    bool dots = (choice & 4) != 0;
    struct text whole = {0}, pieces = {0};
    size_t end = decode(input, mode, dots, input.length, &whole);

    assert(decode(input, mode, dots, 1 + choice / 8, &pieces) == end);
    assert(whole.length == pieces.length && memcmp(text_string(&whole), text_string(&pieces), whole.length) == 0);
    text_free(&whole);
    text_free(&pieces);
    return 0;
}
