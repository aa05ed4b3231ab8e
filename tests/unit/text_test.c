/* The questions that are asked of plain strings, and numbers in text. */
#include "util/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_equal_ignore_case(void **state)
{
    (void)state;
    assert_true(string_equal_ignore_case("", ""));
    assert_true(string_equal_ignore_case("Mail", "mAIL"));
    assert_false(string_equal_ignore_case("mail", "mail."));
    assert_false(string_equal_ignore_case("mail.", "mail"));
    assert_false(string_equal_ignore_case("", "a"));
    assert_false(string_equal_ignore_case("a", ""));
    assert_false(string_equal_ignore_case("mail", "bail"));
    assert_false(string_equal_ignore_case("[", "{"));          /* as far apart as A and a */
    assert_false(string_equal_ignore_case("\xc4", "\xe4")); /* letters in Latin-1 */
}

static void test_high_bytes(void **state)
{
    (void)state;
    assert_false(string_has_high_bytes(""));
    assert_false(string_has_high_bytes("\x01\x7f text"));
    assert_true(string_has_high_bytes("\x80"));
    assert_true(string_has_high_bytes("text\xff"));
    assert_true(string_has_high_bytes("\xc3\xa9 text"));
}

static void test_valid_utf8(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"text", true},
        {"\xc3\xa9t\xc3\xa9", true},
        {"\xed\x9f\xbf \xee\x80\x80 \xf4\x8f\xbf\xbf", true},
        {"text\xc3", false},             /* cut */
        {"\xc3(", false},                /* not continued */
        {"\xa9", false},                 /* only continued */
        {"\xc1\xbf", false},             /* longer than need be */
        {"\xe0\x9f\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xed\xa0\x80", false},         /* half of a pair */
        {"\xf4\x90\x80\x80", false},     /* beyond the last */
        {"\xff", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(string_valid_utf8(rows[i].text, strlen(rows[i].text)), rows[i].valid);
    assert_true(string_valid_utf8("a\0b", 3));
    assert_false(string_valid_utf8("\xc3\xa9", 1));
}

static void expect_printable(const char *text, bool allow_utf8, const char *wanted)
{
    char copy[100];

    strcpy(copy, text);
    assert_ptr_equal(string_printable(copy, allow_utf8), copy);
    assert_string_equal(copy, wanted);
}

static void test_printable(void **state)
{
    (void)state;
    expect_printable("", true, "");
    expect_printable("250 2.0.0 Ok ~", true, "250 2.0.0 Ok ~");
    expect_printable("\ttab\n\x7f", false, "?tab??");
    expect_printable("a\tb\xc3\xa9", true, "a?b\xc3\xa9");
    expect_printable("a\tb\xc3\xa9", false, "a?b??");
    expect_printable("\xc3\xa9 \xc3", true, "?? ?");
}

static void assert_number(int64_t number, const char *expected)
{
    struct text text = {0};

    text_append(&text, "n=");
    text_append_number(&text, number);
    assert_string_equal(text_string(&text) + 2, expected);
    text_free(&text);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_number(0, "0");
    assert_number(7, "7");
    assert_number(10, "10");
    assert_number(-1, "-1");
    assert_number(1234567890, "1234567890");
    assert_number(INT64_MAX, "9223372036854775807");
    assert_number(INT64_MIN, "-9223372036854775808");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_ignore_case),
        cmocka_unit_test(test_high_bytes),
        cmocka_unit_test(test_valid_utf8),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
