/* base64 and JSON strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/base/base64.h"
#include "util/base/json.h"

static void expect_base64(const char *bytes, size_t length, const char *wanted)
{
    struct text encoded = {0}, decoded = {0};

    text_append(&encoded, "x");
    base64_encode(bytes, length, &encoded);
    assert_string_equal(text_string(&encoded) + 1, wanted);
    text_append(&decoded, "y");
    assert_true(base64_decode(wanted, &decoded));
    assert_int_equal(decoded.length, length + 1);
    assert_memory_equal(decoded.data + 1, bytes, length);
    text_free(&encoded);
    text_free(&decoded);
}

/* RFC 4648 section 10, and bytes that need the whole alphabet. */
static void base64_encodes_and_decodes(void **state)
{
    (void)state;
    expect_base64("", 0, "");
    expect_base64("f", 1, "Zg==");
    expect_base64("fo", 2, "Zm8=");
    expect_base64("foo", 3, "Zm9v");
    expect_base64("foobar", 6, "Zm9vYmFy");
    expect_base64("\0\0\0\0", 4, "AAAAAA==");
    expect_base64("\xfb\xff\xfe\x3e", 4, "+//+Pg==");
}

static void base64_refuses_what_no_encoder_makes(void **state)
{
    static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zg==Zg==", "Zm9=", "Zh==", "Z===", "====", "Zm9v\n", " Zm9v",
                                        "Zm9v=", "Z-__", "Zm9vYmF", "Zm=v", "v*", "\xc3\xa9\xc3\xa9"};
    struct text decoded = {0};

    (void)state;
    text_append(&decoded, "kept");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (base64_decode(wrong[i], &decoded))
            fail_msg("%s was taken", wrong[i]);
        assert_string_equal(text_string(&decoded), "kept");
    }
    text_free(&decoded);
}

static void expect_json(const char *string, const char *wanted)
{
    struct text text = {0};

    json_append_string(&text, string);
    assert_string_equal(text_string(&text), wanted);
    text_free(&text);
}

static void json_escapes(void **state)
{
    struct text text = {0};

    (void)state;
    expect_json("", "\"\"");
    expect_json("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    expect_json("\n\t\r\b\f\x01\x1f\x7f", "\"\\n\\t\\r\\b\\f\\u0001\\u001F\x7f\"");
    expect_json("\xc3\xa9", "\"\xc3\xa9\"");
    expect_json("\xc3\xa9 \xe9", "\"?? ?\"");
    json_append_member(&text, "a\"", "b");
    assert_string_equal(text_string(&text), "\"a\\\"\": \"b\"");
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_encodes_and_decodes),
        cmocka_unit_test(base64_refuses_what_no_encoder_makes),
        cmocka_unit_test(json_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
