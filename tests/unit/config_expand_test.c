/* The $name language of postconf(5), and the values that Debian's Postfix gives for the same texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/config/config.h"
#include "mail/config/expand.h"

static struct config *sample(void)
{
    struct config *config = config_new_empty("/nowhere");
    struct error error;

    assert_true(config_override(config, "mydomain=d.example", &error));
    assert_true(config_override(config, "p=$nosuch", &error));
    assert_true(config_override(config, "compatibility_level=3.6", &error));
    return config;
}

static void expands_to(const char *value, const char *expected)
{
    struct config *config = sample();
    struct text result = {0};
    struct error error;

    if (!config_expand(config, value, &result, &error))
        fail_msg("%s: %s", value, error.text);
    assert_string_equal(text_string(&result), expected);
    text_free(&result);
    config_free(config);
}

static void is_refused(const char *value, const char *expected_error)
{
    struct config *config = sample();
    struct text result = {0};
    struct error error;

    assert_false(config_expand(config, value, &result, &error));
    assert_non_null(strstr(error.text, expected_error));
    text_free(&result);
    config_free(config);
}

static void names(void **state)
{
    (void)state;
    expands_to("plain", "plain");
    expands_to("", "");
    expands_to("$mydomain", "d.example");
    expands_to("x$(mydomain)y${mydomain}z", "xd.exampleyd.examplez");
    expands_to("${ mydomain }", "d.example");
    expands_to("$nosuch.", ".");
    expands_to("$x-y", "-y");
    expands_to("$1x", "");
    expands_to("$$x $$$$mydomain", "$x $$mydomain");
    expands_to("a}b{c", "a}b{c");
}

static void domains_in_ascii(void **state)
{
    (void)state;
    expands_to("{ .${domain_to_ascii{$mydomain}} = x }", "{ .d.example = x }");
    expands_to("${domain_to_ascii{b\u00fccher.$mydomain}}", "xn--bcher-kva.d.example");
    expands_to("${domain_to_ascii{B\u00dccher.$mydomain}}", "xn--bcher-kva.d.example");
    /* RFC 3492 section 7.1 (B), (F) and (L). */
    expands_to("${domain_to_ascii{\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587}}", "xn--ihqwcrb4cv8a8dqg056pqjye");
    expands_to("${domain_to_ascii{\u05dc\u05de\u05d4\u05d4\u05dd\u05e4\u05e9\u05d5\u05d8\u05dc\u05d0\u05de\u05d3\u05d1\u05e8\u05d9\u05dd"
               "\u05e2\u05d1\u05e8\u05d9\u05ea}}", "xn--4dbcagdahymbxekheh6e0a7fei0b");
    expands_to("${domain_to_ascii{3\u5e74b\u7d44\u91d1\u516b\u5148\u751f}}", "xn--3b-ww4c5e180e575a65lsy2b");
    is_refused("${domain_to_ascii{a\xff}}", "is no domain name");
    is_refused("${domain_to_ascii{a} b}", "unexpected input");
    is_refused("${domain_to_ascii{a", "truncated");
}

static void conditions_on_names(void **state)
{
    (void)state;
    expands_to("${mydomain?ok}${nosuch?ok}", "ok");
    expands_to("${nosuch:dflt}${mydomain:dflt}", "dflt");
    expands_to("${nosuch?{a}:{b}} ${mydomain?{a}:{b}}", "b a");
    expands_to("${nosuch?{a}:b c} ${mydomain ? {a} : {b}}", "b c a");
    expands_to("${mydomain?a:b}z", "a:bz");
    expands_to("${mydomain?{ a }}", " a ");
    expands_to("${mydomain? x }.", " x .");
    expands_to("${mydomain?{$mydomain?}}", "d.example?");
    expands_to("$(mydomain?{x}) $(mydomain?(x))", "x (x)");
    expands_to("${p?{set}:{unset}}", "set"); /* there is a text, whatever it expands to */
    expands_to("${nosuch:{${mydomain?{deep}}}}", "deep");
}

static void comparisons(void **state)
{
    (void)state;
    expands_to("${{2} == {2}?{yes}:{no}} ${{x} == {y} ? {1} : {2}}", "yes 2");
    expands_to("${{3} < {10} ? {lt}:{ge}} ${{a3} < {a10}?{lt}:{ge}}", "lt ge");
    expands_to("[${{a}=={b}?{x}}] ${{a}=={b}:{x}} ${{a}!={b}?x}", "[] x x");
    expands_to("${{ 3 } == {3}?{y}:{n}}", "n");
    expands_to("${{010} == {10}?{x}:{y}} ${{99999999999999999999} > {3}?{x}:{y}}", "x x");
    expands_to("${{3} == {3}}${{3} == {4}}", "true");
    expands_to("${{$mydomain} == {d.example} ? {$mydomain} : {}}", "d.example");
    expands_to("${{a}=={a}?{b} : c }x", "bx");
    expands_to("${{5} >= {5}?{x}}${{5} <= {4}?{y}}", "x");
}

static void levels(void **state)
{
    (void)state;
    expands_to("${{3.6} <level {3.10} ? {lt} : {ge}}", "lt");
    expands_to("${{3.6.1} >level {3.6}?{x}:{y}} ${{3.06} ==level {3.6}?{x}:{y}}", "x x");
    expands_to("${{3.6} !=level {3.6}?{x}:{y}}", "y");
    expands_to("${{$compatibility_level} <level {3.6} ? {no} : {yes}}", "yes");
    is_refused("${{a} <level {3}?{x}:{y}}", "malformed compatibility level syntax: \"a\"");
    is_refused("${{3.} <level {3}?{x}:{y}}", "malformed compatibility level");
}

static void bad_syntax(void **state)
{
    (void)state;
    is_refused("${x==y}", "attribute name syntax error");
    is_refused("${x-y}", "attribute name syntax error");
    is_refused("${{a} = {b}?c:d}", "expected at");
    is_refused("${{a} == b?c:d}", "\"{expression}\" expected");
    is_refused("${mydomain?{a}b}", "\":\" expected");
    is_refused("${x?{a}:{b}c}", "unexpected input");
    is_refused("$(x", "truncated macro reference");
    is_refused("${{a b", "truncated macro reference");
    is_refused("$-", "empty macro name");
    is_refused("$", "empty macro name");
    is_refused("${}", "empty macro name");
}

static void loops_end(void **state)
{
    struct config *config = sample();
    struct text result = {0};
    struct error error;

    (void)state;
    assert_true(config_override(config, "a = $b", &error));
    assert_true(config_override(config, "{ b = x$a }", &error));
    assert_false(config_expand(config, "$a", &result, &error));
    assert_non_null(strstr(error.text, "loop"));
    assert_null(config_get(config, "a"));
    text_free(&result);
    config_free(config);
}

/* Each name doubles the one before: the result is bounded, not the machine's memory. */
static void growth_ends(void **state)
{
    struct config *config = sample();
    struct text result = {0};
    struct error error;

    (void)state;
    assert_true(config_override(config, "g0=0123456789abcdef", &error));
    for (int i = 1; i < 30; i++) {
        char assignment[64];

        snprintf(assignment, sizeof assignment, "g%d=$g%d$g%d", i, i - 1, i - 1);
        assert_true(config_override(config, assignment, &error));
    }
    assert_false(config_expand(config, "$g29", &result, &error));
    assert_non_null(strstr(error.text, "longer than"));
    text_free(&result);
    config_free(config);
}

static void collect(void *context, const char *name)
{
    text_append_format(context, "%s ", name);
}

static void references(void **state)
{
    struct text found = {0};

    (void)state;
    expand_each_name("$a $$b ${c?{$d}:e} $(f) ${{$g} == {h}?{${i}}}$", collect, &found);
    assert_string_equal(text_string(&found), "a c d f g i ");
    text_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_in_ascii),
        cmocka_unit_test(names),  cmocka_unit_test(conditions_on_names), cmocka_unit_test(comparisons),
        cmocka_unit_test(levels), cmocka_unit_test(bad_syntax),          cmocka_unit_test(loops_end),
        cmocka_unit_test(growth_ends), cmocka_unit_test(references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
