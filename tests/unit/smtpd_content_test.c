/* The content decoder, fed in every way it can be cut: what ends DATA does not depend on packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/content.h"

static size_t decode(enum bare_newline mode, bool dots, const char *bytes, size_t length, size_t piece,
                     struct text *out, bool *ended)
{
    struct content_decoder decoder;
    size_t at = 0;

    text_clear(out);
    content_decoder_init(&decoder, mode, dots);
    while (at < length && !decoder.ended) {
        size_t step = length - at < piece ? length - at : piece;

        at += content_decode(&decoder, bytes + at, step, out);
    }
    *ended = decoder.ended;
    if (!dots)
        content_decoder_finish(&decoder, out);
    return at;
}

struct example {
    const char *input;
    const char *output;
    bool ended;
};

static void check(enum bare_newline mode, bool dots, const struct example *example)
{
    struct text out = {0};
    bool ended;

    for (size_t piece = 1; piece <= strlen(example->input); piece++) {
        size_t used = decode(mode, dots, example->input, strlen(example->input), piece, &out, &ended);

        assert_string_equal(text_string(&out), example->output);
        assert_int_equal(ended, example->ended);
        if (!ended)
            assert_int_equal(used, strlen(example->input));
    }
    text_free(&out);
}

static void content_is_decoded(void **unused)
{
    static const struct example examples[] = {
        {"a\r\nb\r\n.\r\n", "a\nb\n", true},
        {".\r\n", "", true},
        {"..\r\n.\r\n", ".\n", true},
        {".a\r\n..b\r\n.\r\n", "a\n.b\n", true},
        {"\r\n.\r\nMAIL", "\n", true},
        {"a\rb\r\n.\r\n", "a\rb\n", true},
        {"a\r\r\n.\r\n", "a\r\n", true},
        {"a\n.\n.\r\nb\r\n.\r\n", "a\n.\n.\nb\n", true},
        {"a\r\n.\r\r\nb\r\n.\r\n", "a\n\r\nb\n", true},
        {"a\r\n.\r", "a\n", false},
        {"a\r.\r\n", "a\r.\n", false},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(BARE_NEWLINE_NORMALIZE, true, &examples[i]);
}

static void lenient_mode_takes_any_end(void **unused)
{
    static const struct example examples[] = {
        {"a\n.\nMAIL", "a\n", true},
        {"a\r\n.\nMAIL", "a\n", true},
        {"a\n.\r\nMAIL", "a\n", true},
        {"a\r\n.\r\r\nMAIL", "a\n", true},
        {"a\r\r\n.\r\nMAIL", "a\n", true},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(BARE_NEWLINE_NO, true, &examples[i]);
}

static void chunks_have_no_dots(void **unused)
{
    static const struct example examples[] = {
        {".\r\n..\r\n", ".\n..\n", false},
        {"a\r\nb", "a\nb\n", false},
        {"a\nb\r", "a\nb\r\n", false},
        {"", "", false},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(BARE_NEWLINE_NORMALIZE, false, &examples[i]);
}

static void decode_in_pieces_of(size_t piece, enum bare_newline mode, bool dots, const char *bytes, size_t length,
                                struct text *whole)
{
    struct content_decoder decoder;
    struct text out = {0};
    size_t used = 0;

    content_decoder_init(&decoder, mode, dots);
    while (used < length && !decoder.ended)
        used += content_decode(&decoder, bytes + used, length - used < piece ? length - used : piece, &out);
    text_append_format(&out, "|%zu %d %d %d", used, decoder.ended, decoder.bare_newline, decoder.after_crlf);
    content_decoder_finish(&decoder, &out);
    if (whole->length == 0)
        text_append_bytes(whole, out.data, out.length);
    assert_string_equal(out.data, whole->data);
    text_free(&out);
}

/* Byte by byte is the slow way through the decoder; everything else has to agree with it. */
static void all_cuts_agree(void **unused)
{
    static const char alphabet[] = "a.\r\n";
    enum { LENGTH = 7 };
    char bytes[LENGTH];

    (void)unused;
    for (unsigned word = 0; word < 1u << 2 * LENGTH; word++) {
        for (unsigned i = 0; i < LENGTH; i++)
            bytes[i] = alphabet[word >> 2 * i & 3];
        for (unsigned way = 0; way < 6; way++) {
            struct text whole = {0};

            for (size_t piece = 1; piece <= LENGTH; piece++)
                decode_in_pieces_of(piece, (enum bare_newline)(way / 2), way % 2 == 0, bytes, LENGTH, &whole);
            text_free(&whole);
        }
    }
}

/* They may be the beginning of a line's end, but are not kept back for ever. */
static void many_carriage_returns(void **unused)
{
    enum { COUNT = 1000000 };
    struct content_decoder decoder;
    struct text bytes = {0}, out = {0};

    (void)unused;
    for (size_t i = 0; i < COUNT; i++)
        text_append_char(&bytes, '\r');
    content_decoder_init(&decoder, BARE_NEWLINE_NORMALIZE, true);
    assert_int_equal(content_decode(&decoder, bytes.data, COUNT, &out), COUNT);
    assert_true(out.length > COUNT - 100000);
    assert_int_equal(content_decode(&decoder, "\n.\r\n", 4, &out), 4);
    assert_true(decoder.ended);
    assert_int_equal(out.length, COUNT);
    assert_memory_equal(out.data, bytes.data, COUNT - 1);
    assert_int_equal(out.data[COUNT - 1], '\n');
    text_free(&bytes);
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_decoded),
        cmocka_unit_test(lenient_mode_takes_any_end),
        cmocka_unit_test(chunks_have_no_dots),
        cmocka_unit_test(all_cuts_agree),
        cmocka_unit_test(many_carriage_returns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
