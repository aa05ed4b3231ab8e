/* Addresses in paths, quoting, xtext; what Debian's Postfix answers to the same paths is the measure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/address/address.h"
#include "mail/address/address_list.h"

static void parses(const char *argument, bool strict, const char *internal, const char *parameters)
{
    struct text result = {0};
    const char *rest;

    if (!address_parse_path(argument, strict, false, &result, &rest))
        fail_msg("not parsed: %s", argument);
    assert_string_equal(text_string(&result), internal);
    assert_string_equal(rest, parameters);
    text_free(&result);
}

static void refused(const char *argument, bool strict)
{
    struct text result = {0};
    const char *rest;

    if (address_parse_path(argument, strict, false, &result, &rest))
        fail_msg("parsed: %s as %s", argument, text_string(&result));
    text_free(&result);
}

static void paths_that_pass(void **state)
{
    static const char *const rows[][2] = {
        {"<u@d@>", "u@d@"}, {"<u>", "u"}, {"<\"a b\"@y.z>", "a b@y.z"}, {"<@a:x@y.z>", "x@y.z"},
        {"<Postmaster>", "Postmaster"}, {"<x@[1.2.3.4]>", "x@[1.2.3.4]"}, {" <x>", "x"}, {"a@b.c", "a@b.c"},
        {"<\"a\\\"b\"@c.d>", "a\"b@c.d"}, {"<a\\ b@c.d>", "a b@c.d"}, {"<a.@b.c>", "a.@b.c"}, {"<.a@b.c>", ".a@b.c"},
        {"<a@b.c.>", "a@b.c."}, {"<@b>", "@b"}, {"<@a,@b:x@y.z>", "x@y.z"}, {"<@a:x>", "x"}, {"<a@b@c>", "a@b@c"},
        {"<a(comment)@b.c>", "a@b.c"}, {"<(c)a@b.c>", "a@b.c"}, {"a@b.c>", "a@b.c"}, {"<<a@b.c>>", "a@b.c"},
        {"<a:b@c.d>", "a:b@c.d"}, {"<a@[IPv6:::1]>", "a@[IPv6:::1]"}, {"<a@[1.2.3.4>", "a@[1.2.3.4]"},
        {"<a@b_c.d>", "a@b_c.d"}, {"<a%b@c>", "a%b@c"}, {"<\"\"@b.c>", "@b.c"}, {"<  a@b.c  >", "a@b.c"},
        {"<a . b@c.d>", "a.b@c.d"}, {"<a@b.123>", "a@b.123"}, {"<a@\"b.c\">", "a@b.c"}, {"<@@a>", "@@a"},
        {"<\"a\".\"b\"@c.d>", "a.b@c.d"}, {"<>", ""}, {"<a@b\\.c>", "a@b.c"}, {"\\\"@b.c", "\"@b.c"},
        {"<\303\251@b.c>", "\303\251@b.c"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        parses(rows[i][0], false, rows[i][1], "");
    parses("<a@b.c>  NOTIFY=NEVER X", false, "a@b.c", "NOTIFY=NEVER X");
    parses("\"a b\"@c.d NOTIFY=NEVER", false, "a b@c.d", "NOTIFY=NEVER");
    parses("a b@c", false, "a", "b@c");
}

static void paths_that_are_refused(void **state)
{
    static const char *const rows[] = {
        "<-x@y>", "<x@1.2.3.4>", "<x@y..z>", "<u@#123>", "<\"a\"b@c>", "<x\rb@c>", "<x@[1.2.3>", "<a b>", "<a@b..>",
        "<a@.b>", "<a@>", "<a@b.c>SIZE=3", "<a@b.c", "<a@b.c,d@e.f>", "<a,b@c.d>", "<a;b@c.d>", "<a@[::1]>",
        "<a@[IPv6:xx]>", "<a@[x.y]>", "<a@[]>", "<a@[1.2.3.4].x>", "<a@1.2.3.4]>", "<a@-b.c>", "<a@b-.c>", "<a@b c>",
        "<a@b!c>", "<a@b%c>", "<\"@b.c>", "<a\\>", "<a@\303\251.c>", "<a@b\001>", "<a\tb@c.d>", "<\"-x\"@y.z>",
        "<a@12345>", "<a@1.2.3>", "<@>", "<[a@b]>", "<a[b]c@d.e>", "<Postmaster@>", "<\"\"@>", "<a@b\"c\">",
        "<\"a\"\"b\"@c.d>", "<a\"b\"@c.d>", "<\"a\" b@c.d>", "<a@b:c>", "<a@*>", "<a@b/c>", "<a@b@.>", "<a@.>", "",
        " ", "<(>", "a@\"b c\"", "<\"\\>", "<a@[1.2.3.4\\]>", "<a\001b@c.d>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(rows[i], false);
}

static void strict_paths(void **state)
{
    (void)state;
    parses("<a@b.c> SIZE=3", true, "a@b.c", "SIZE=3");
    parses(" <a@b.c>", true, "a@b.c", "");
    parses("<@a:x@y.z>", true, "x@y.z", "");
    refused("a@b.c", true);
    refused("<@b>", true);
    refused("<a(comment)@b.c>", true);
    refused("<\"\"@b.c>", true);
}

static void utf8(void **state)
{
    struct text result = {0};
    const char *rest;

    (void)state;
    assert_true(address_parse_path("<a@\303\251.c>", false, true, &result, &rest));
    assert_false(address_parse_path("<a\303@b.c>", false, true, &result, &rest));
    assert_true(address_valid("\303\251@\303\251.c", true));
    assert_false(address_valid("a@\303\251.c", false));
    text_free(&result);
}

static void quoting(void **state)
{
    static const char *const rows[][2] = {
        {"a@b.c", "a@b.c"}, {"a b@c", "\"a b\"@c"}, {"a.@b", "\"a.\"@b"}, {".a@b", "\".a\"@b"},
        {"a..b@c", "\"a..b\"@c"}, {"a\"b@c", "\"a\\\"b\"@c"}, {"a@b@c", "\"a@b\"@c"}, {"", ""}, {"@b", "\"\"@b"},
        {"a\\b@c", "\"a\\\\b\"@c"}, {"user", "user"}, {"x y", "\"x y\""}, {"\303\251@b", "\303\251@b"},
    };
    struct text text = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        address_quote(rows[i][0], &text);
        assert_string_equal(text_string(&text), rows[i][1]);
        address_unquote(rows[i][1], &text);
        assert_string_equal(text_string(&text), rows[i][0]);
    }
    text_free(&text);
}

static void xtext(void **state)
{
    static const char *const bad[] = {"a+", "a+2", "a+zz", "a=b", "a b", "+00", "a\tb"};
    struct text text = {0};

    (void)state;
    xtext_encode("a+b=c d\303", &text);
    assert_string_equal(text_string(&text), "a+2Bb+3Dc+20d+C3");
    assert_true(xtext_decode("a+2Bb+3Dc+20d", &text));
    assert_string_equal(text_string(&text), "a+b=c d");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(xtext_decode(bad[i], &text));
    text_free(&text);
}

static void append_domain(void *context, const char *address, struct text *result)
{
    (void)context;
    text_append(result, address);
    if (*address != '\0' && strchr(address, '@') == NULL)
        text_append(result, "@d");
}

static void rewritten(const char *body, const char *expected)
{
    struct text result = {0};
    bool changed = address_list_rewrite(body, 1000, append_domain, NULL, &result);

    assert_string_equal(text_string(&result), expected);
    assert_int_equal(changed, strcmp(body, expected) != 0);
    text_free(&result);
}

static void lists(void **state)
{
    (void)state;
    rewritten(" joe", " joe@d");
    rewritten(" \"A B\" <joe>", " \"A B\" <joe@d>");
    rewritten(" foo, Bar Baz <bar@host>,\n\tgrp: a@b.c, (comm) d;", " foo@d, Bar Baz <bar@host>,\n\tgrp: a@b.c, (comm) d@d;");
    rewritten(" fred flintstone", " fred@d, flintstone@d");
    rewritten(" undisclosed-recipients:;", " undisclosed-recipients:;");
    rewritten(" <>", " <>");
    rewritten(" (c) a (x) . b (y) , e", " (c) a.b@d (x) (y) , e@d");
    rewritten(" <@r,@s:joe>", " <@r,@s:joe@d>");
    rewritten(" @r:joe@x", " @r:joe@x");
    rewritten(" \"a b\"", " \"a b\"@d");
    rewritten(" John Q. Public <j@x>, k", " John Q. Public <j@x>, k@d");
    rewritten(" g: ;, a", " g: ;, a@d");
    rewritten("", "");
    rewritten(" ,,,", " ,,,");
    rewritten(" <joe", " <joe@d");
    rewritten(" \"open", " open@d");
    rewritten(" a@[1.2.3.4]", " a@[1.2.3.4]");
    rewritten(" joe@x (Joe)", " joe@x (Joe)");
    rewritten(" joe (Joe)", " joe@d (Joe)");
    rewritten(" a<b>c", " a<b@d>c@d");
}

static void limited_lists(void **state)
{
    struct text result = {0};

    (void)state;
    assert_true(address_list_rewrite("a,b,c,d", 4, append_domain, NULL, &result));
    assert_string_equal(text_string(&result), "a@d,b@d,c,d");
    assert_false(address_list_rewrite("a,b", 0, append_domain, NULL, &result));
    assert_string_equal(text_string(&result), "a,b");
    text_free(&result);
}

static void collect(void *context, const char *address)
{
    text_append_format(context, "[%s]", address);
}

static void addresses_found(void **state)
{
    struct text found = {0};

    (void)state;
    address_list_each(" \"x y\"@z, Joe <joe@d> (c), g: a, b;, <>, p q", collect, &found);
    assert_string_equal(text_string(&found), "[x y@z][joe@d][a][b][p][q]");
    text_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_that_pass), cmocka_unit_test(paths_that_are_refused), cmocka_unit_test(strict_paths),
        cmocka_unit_test(utf8),            cmocka_unit_test(quoting),                cmocka_unit_test(xtext),
        cmocka_unit_test(lists),           cmocka_unit_test(limited_lists),          cmocka_unit_test(addresses_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
