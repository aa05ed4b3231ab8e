#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/base64.h"

/* ---- base64: RFC 4648 section 10 ---- */

static void test_base64(void **state)
{
    static const char *const pairs[][2] = {{"", ""},         {"f", "Zg=="},     {"fo", "Zm8="},
                                           {"foo", "Zm9v"},  {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const damaged[] = {"Z",    "Zg",   "Zg=",   "Zh==",  "Zm9=",   "=",        "====", "Zg==Zg==",
                                          "Z===", "Zm9v=", " Zg==", "Zg==\n", "Zm_v",  "Zm-v",     "Zg=a", "\xc3\xa4Zg"};

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct text encoded = {0}, decoded = {0};

        base64_encode(pairs[i][0], strlen(pairs[i][0]), &encoded);
        assert_string_equal(text_string(&encoded), pairs[i][1]);
        assert_true(base64_decode(pairs[i][1], &decoded));
        assert_string_equal(text_string(&decoded), pairs[i][0]);
        text_free(&encoded);
        text_free(&decoded);
    }
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct text decoded = {0};

        text_append(&decoded, "kept");
        assert_false(base64_decode(damaged[i], &decoded));
        assert_string_equal(text_string(&decoded), "kept");
        assert_false(base64_valid(damaged[i]));
        text_free(&decoded);
    }
}

static void test_base64_bytes(void **state)
{
    struct text encoded = {0}, decoded = {0};
    char bytes[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    for (size_t length = 0; length <= sizeof bytes; length++) {
        text_clear(&encoded);
        text_clear(&decoded);
        base64_encode(bytes, length, &encoded);
        assert_int_equal(encoded.length % 4, 0);
        assert_true(base64_decode(text_string(&encoded), &decoded));
        assert_int_equal(decoded.length, length);
        assert_memory_equal(text_string(&decoded), bytes, length);
    }
    text_wipe(&encoded);
    text_wipe(&decoded);
    assert_null(encoded.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
