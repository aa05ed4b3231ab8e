#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/table/pattern.h"

static bool matches(const char *words, const char *string)
{
    struct error error = {""};
    struct pattern *pattern = pattern_new(words, &error);
    bool result;

    assert_string_equal(error.text, "");
    assert_non_null(pattern);
    result = pattern_matches(pattern, string, &error);
    assert_string_equal(error.text, "");
    pattern_free(pattern);
    return result;
}

static void words_are_the_whole(void **state)
{
    (void)state;
    assert_true(matches("a@B.example", "A@b.example"));
    assert_false(matches("b.example", "a@b.example"));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
    assert_true(matches("a/b", "a/b"));
}

static void expressions_are_searched(void **state)
{
    (void)state;
    assert_true(matches("/@(\\w+\\.)?adp\\.com$/", "x@pay.ADP.com"));
    assert_false(matches("/@(\\w+\\.)?adp\\.com$/", "x@adp.com.example"));
    assert_false(matches("/ADP/i", "adp")); /* the flag toggles */
    assert_true(matches("//", "anything"));
    assert_true(matches("/a/b/", "xa/bx"));
}

static void mistakes_are_told(void **state)
{
    static const char *const wrong[] = {"/", "/a", "/(/", "/a/q"};
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(pattern_new(wrong[i], &error));
    pattern_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_the_whole),
        cmocka_unit_test(expressions_are_searched),
        cmocka_unit_test(mistakes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
