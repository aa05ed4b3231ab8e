/* cidr:, regexp: and pcre: tables: what matches, what is warned about, and the stack that they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/table.h"
#include "util/task/loop.h"
#include "util/task/task.h"

static struct text said; /* log lines since `hush` */

static void note(enum log_level level, const char *line)
{
    (void)level;
    text_append_format(&said, "%s\n", line);
}

static struct table *open_table(const char *name)
{
    struct error error;
    struct table *table;

    text_clear(&said);
    table = table_open(name, &error);
    assert_non_null(table);
    return table;
}

/* The answer, "-" for none, "!" for an error. The caller frees. */
static char *ask(struct table *table, const char *key)
{
    struct text result = {0};
    struct error error;
    enum table_result answer = table_lookup(table, key, &result, &error);

    if (answer != TABLE_FOUND)
        text_append(&result, answer == TABLE_ERROR ? "!" : "-");
    text_append(&result, "");
    return text_take(&result);
}

static void expect(const char *name, const char *key, const char *wanted)
{
    struct table *table = open_table(name);
    char *answer = ask(table, key);

    assert_string_equal(answer, wanted);
    free(answer);
    table_close(table);
}

static void expect_warning(const char *name, const char *wanted)
{
    table_close(open_table(name));
    if (strstr(text_string(&said), wanted) == NULL)
        fail_msg("%s: \"%s\" is not in \"%s\"", name, wanted, text_string(&said));
}

/* ---- cidr ---- */

static void cidr_finds_blocks_in_order(void **state)
{
    const char *table = "cidr:{ {10.1.0.0/16 first}, {10.0.0.0/8 second text}, {2001:db8::/32 six}, {[::1] loop} }";

    (void)state;
    expect(table, "10.1.2.3", "first");
    expect(table, "10.2.2.3", "second text");
    expect(table, "2001:DB8::5", "six");
    expect(table, "::1", "loop");
    expect(table, "192.0.2.1", "-");
    expect(table, "example.com", "-");
}

static void cidr_negates_and_nests(void **state)
{
    const char *table = "cidr:{ {if 192.168.0.0/16}, {192.168.1.0/24 one}, {if !192.168.2.0/24}, {!192.168.3.0/24 x},"
                        " {endif}, {endif}, {1.2.3.4 ok} }";

    (void)state;
    expect(table, "192.168.1.5", "one");
    expect(table, "192.168.2.5", "-");
    expect(table, "192.168.3.5", "-");
    expect(table, "192.168.4.5", "x");
    expect(table, "1.2.3.4", "ok");
}

static void cidr_negation_stays_in_its_family(void **state)
{
    (void)state;
    expect("cidr:{{!10.0.0.0/8 other}}", "2001:db8::1", "-");
    expect("cidr:{{!2001:db8::/32 other}}", "10.1.1.1", "-");
    expect("cidr:{{if !10.0.0.0/8}, {2001:db8::/32 six}, {endif}}", "2001:db8::1", "-");
    expect("cidr:{{!2001:db8::/32 other}}", "2001:db9::1", "other");
}

static void cidr_keys_are_bare_addresses(void **state)
{
    (void)state;
    expect("cidr:{{0.0.0.0/0 four}, {::/0 six}}", "[10.1.1.1]", "-");
    expect("cidr:{{0.0.0.0/0 four}, {::/0 six}}", "[::1]", "-");
    expect("cidr:{{0.0.0.0/0 four}, {::/0 six}}", "IPv6:::1", "-");
}

static void cidr_warns_and_goes_on(void **state)
{
    (void)state;
    expect_warning("cidr:{{10.0.0.1/8 x}}", "line 1: non-null host address bits in \"10.0.0.1/8\", perhaps you "
                                            "should use \"10.0.0.0/8\" instead: skipping this rule");
    expect_warning("cidr:{{1.2.3.4}}", "line 1: no lookup result: skipping this rule");
    expect_warning("cidr:{{1.2.3.4 x}, {bogus x}}", "line 2: bad address pattern: \"bogus\": skipping this rule");
    expect_warning("cidr:{{1.2.3.4/40 x}}", "bad mask length in \"1.2.3.4/40\": skipping this rule");
    expect_warning("cidr:{{endif}}", "ENDIF without IF: skipping this rule");
    expect_warning("cidr:{{if 1.2.3.4}, {endif x}}", "garbage after ENDIF: skipping this rule");
    expect_warning("cidr:{{if 1.2.3.4}}", "line 1: IF has no matching ENDIF");
    expect_warning("cidr:{{if}}", "no address pattern: skipping this rule");
    expect("cidr:{{10.0.0.1/8 x},{10.0.0.0/8 good}}", "10.1.1.1", "good");
}

static void inline_syntax_is_checked(void **state)
{
    (void)state;
    expect("cidr:{}", "1.2.3.4", "-");
    expect("cidr:{ 10.0.0.0/8 }", "10.1.1.1", "!");
    assert_non_null(strstr(text_string(&said), "cidr map: no '{' at start of text in \"10.0.0.0/8\""));
    expect("pcre:{ {/x/ a}", "x", "!");
    assert_non_null(strstr(text_string(&said), "pcre map: missing '}' in \"{ {/x/ a}\""));
    expect("regexp:{ {/x/ a}{/y/ b} }", "x", "!");
    assert_non_null(strstr(text_string(&said), "regexp map: syntax error after '}' in \"{/x/ a}{/y/ b}\""));
}

/* ---- regexp and pcre alike ---- */

static void both(const char *rules, const char *key, const char *wanted)
{
    static const char *const types[] = {"regexp", "pcre"};

    for (size_t i = 0; i < 2; i++) {
        char *name = memory_format("%s:{%s}", types[i], rules);

        expect(name, key, wanted);
        free(name);
    }
}

static void both_warn(const char *rules, const char *wanted)
{
    static const char *const types[] = {"regexp", "pcre"};

    for (size_t i = 0; i < 2; i++) {
        char *name = memory_format("%s:{%s}", types[i], rules);

        expect_warning(name, wanted);
        free(name);
    }
}

static void expressions_match(void **state)
{
    (void)state;
    both("{/^ab+c$/ yes}", "ABBC", "yes");
    both("{/^ab+c$/i yes}", "ABBC", "-");
    both("{!/x/ no x here}", "abc", "no x here");
    both("{!/x/ no}", "axc", "-");
    both("{~a/b~ tilde}", "a/b", "tilde");
    both("{/a\\/b/ slash}", "a/b", "slash");
    both("{/b$/ plain}, {/b$/m multi}", "b\nc", "multi");
    both("{/a.c/ dot}", "a\nc", "dot");
    both("{//   empty}", "anything", "empty");
}

static void answers_are_filled_in(void **state)
{
    (void)state;
    both("{/(a)(b)?(c)/ <$1${2}$(3)>$$1}", "ac", "<ac>$1");
    both("{/(.*)@(.*)/ $2.$1}", "user@host", "host.user");
    both("{/x/ a   b }", "x", "a   b");
}

static void conditions_nest(void **state)
{
    const char *rules = "{if /a/}, {if !/b/}, {/c/ ac}, {endif}, {/d/ ad}, {endif}, {/c/ c}";

    (void)state;
    both(rules, "ac", "ac");
    both(rules, "abc", "c");
    both(rules, "abd", "ad");
    both(rules, "bc", "c");
    both(rules, "x", "-");
}

static void expressions_warn_and_go_on(void **state)
{
    (void)state;
    both_warn("{/a/}", "line 1: no replacement text: using empty string");
    both_warn("{/a x}", "no closing regexp delimiter \"/\": ");
    both_warn("{/a/q x}", "unknown regexp option \"q\": skipping this rule");
    both_warn("{/a/ x}, {word x}", "line 2: ignoring unrecognized request");
    both_warn("{/(a)/ $2}", "out of range replacement index \"2\": skipping this rule");
    both_warn("{/(a)/ $x}", "non-numeric replacement index \"x\"");
    both_warn("{/(a)/ $x}", "bad replacement syntax: skipping this rule");
    both_warn("{/(a)/ $0}", "range replacement index \"0\"");
    both_warn("{/(a)/ $*}", "empty macro name: \"$*\"");
    both_warn("{/(a)/ $(1}", "truncated macro reference: \"$(1\"");
    both_warn("{!/(a)/ $1}", "$number found in negative match replacement text: skipping this rule");
    both_warn("{if}", "no regexp: skipping this rule");
    both_warn("{endif}", "ignoring ENDIF without matching IF");
    both_warn("{if /x/}, {endif x}", "ignoring extra text after ENDIF");
    both_warn("{if /x/}", "IF has no matching ENDIF");
    expect_warning("regexp:{{/(/ x}}", "Unmatched ( or \\(");
    expect_warning("pcre:{{/(/ x}}", "error in regex at offset 1: missing closing parenthesis");
    expect_warning("pcre:{{/a/X x}}", "ignoring obsolete regexp option \"X\"");
    both("{/a(/ bad}, {/a/ good}", "a", "good");
}

static void pcre_flags(void **state)
{
    (void)state;
    expect("pcre:{{/a.c/s x}}", "a\nc", "-");
    expect("pcre:{{/a c/x x}}", "ac", "x");
    expect("pcre:{{/b/A x}}", "ab", "-");
    expect("pcre:{{/b/A x}}", "ba", "x");
    expect("pcre:{{/b$/E x}}", "b\n", "-");
    expect("pcre:{{/(a+)/U $1}}", "aaa", "a");
    expect("pcre:{{/^(?!owner-)(.*)-out@/ $1}}", "list-out@x", "list");
}

static void a_hopeless_match_ends(void **state)
{
    (void)state;
    expect("pcre:{ {/^(a+)+$/ z} }", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "-");
    assert_non_null(strstr(text_string(&said), "line 1: match limit exceeded"));
}

/* ---- stack ---- */

static void match_long_keys(void *argument)
{
    static const char *const names[] = {
        "regexp:{{/^(a|b)*x(c|d)?$/ $1}}", "regexp:{{/^(.*)a(.*)y/ $1}}",    "regexp:{{/(a*)\\1z/ $1}}",
        "pcre:{{/^(a|b)*x(c|d)?$/ $1}}",   "pcre:{{/^(?:(a)|(b))*y/ $1}}",
    };
    size_t *done = argument;
    char *key = memory_new(2001), *longer = memory_new(10001);

    memset(key, 'a', 2000);
    memset(longer, 'a', 10000);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct table *table = open_table(names[i]);
        bool slow = strstr(names[i], "\\1") != NULL; /* the C library's back references */

        free(ask(table, slow ? key + 1700 : key)); /* on the task's stack */
        if (!slow)
            free(ask(table, longer)); /* in a worker thread */
        table_close(table);
        ++*done;
    }
    free(key);
    free(longer);
    loop_stop();
}

static void long_keys_fit_a_task_stack(void **state)
{
    size_t done = 0;

    (void)state;
    loop_start();
    task_start(match_long_keys, &done);
    loop_run();
    loop_end();
    assert_int_equal(done, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cidr_finds_blocks_in_order), cmocka_unit_test(cidr_negates_and_nests),
        cmocka_unit_test(cidr_negation_stays_in_its_family), cmocka_unit_test(cidr_keys_are_bare_addresses),
        cmocka_unit_test(cidr_warns_and_goes_on),     cmocka_unit_test(inline_syntax_is_checked),
        cmocka_unit_test(expressions_match),          cmocka_unit_test(answers_are_filled_in),
        cmocka_unit_test(conditions_nest),            cmocka_unit_test(expressions_warn_and_go_on),
        cmocka_unit_test(pcre_flags),                 cmocka_unit_test(a_hopeless_match_ends),
        cmocka_unit_test(long_keys_fit_a_task_stack),
    };
    int failed;

    log_set_sink(note);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    text_free(&said);
    return failed;
}
