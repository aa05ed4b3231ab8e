/* Which keys an address is looked up by, in which order, and what becomes of its extension. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/address/address_lookup.h"

enum {
    VIRTUAL_KEYS = LOOKUP_ADDRESS | LOOKUP_BARE_USER | LOOKUP_AT_DOMAIN,
    ACCESS_KEYS = LOOKUP_ADDRESS | LOOKUP_DOMAIN | LOOKUP_PARENTS | LOOKUP_USER_AT,
};

/* "answer" or "answer|extension"; "-" none, "!" error. */
static void expect(const char *tables, const char *address, int keys, const char *wanted)
{
    struct error error;
    struct text result = {0}, extension = {0};
    struct table_list *list = table_list_open(tables, &error);
    enum table_result answer;

    assert_non_null(list);
    answer = address_lookup(list, address, keys, "+-", &result, &extension, &error);
    if (answer != TABLE_FOUND)
        text_append(&result, answer == TABLE_ERROR ? "!" : "-");
    if (extension.length > 0)
        text_append_format(&result, "|%s", text_string(&extension));
    assert_string_equal(text_string(&result), wanted);
    text_free(&result);
    text_free(&extension);
    table_list_close(list);
}

static void the_most_specific_key_wins(void **state)
{
    const char *tables = "inline:{u+x@d.test=1, u@d.test=2, u+x=3, u=4, @d.test=5}";

    (void)state;
    expect(tables, "u+x@d.test", VIRTUAL_KEYS, "1");
    expect(tables, "u+y@d.test", VIRTUAL_KEYS, "2|+y");
    expect(tables, "U@D.test", VIRTUAL_KEYS, "2");
    expect(tables, "u+x@other.test", VIRTUAL_KEYS, "3");
    expect(tables, "u-z@other.test", VIRTUAL_KEYS, "4|-z");
    expect(tables, "v+z@d.test", VIRTUAL_KEYS, "5|+z");
    expect(tables, "v@other.test", VIRTUAL_KEYS, "-");
    expect(tables, "u+x", LOOKUP_ADDRESS, "3");
}

static void keys_go_over_all_tables_one_by_one(void **state)
{
    (void)state;
    expect("inline:{@d.test=later} inline:{u@d.test=first}", "u@d.test", VIRTUAL_KEYS, "first");
    expect("inline:{a=b} fail:x", "u@d.test", VIRTUAL_KEYS, "!");
}

static void domains_and_parents(void **state)
{
    (void)state;
    expect("inline:{d.test=1}", "u@a.b.d.test", ACCESS_KEYS, "1");
    expect("inline:{.d.test=1}", "u@a.b.d.test", ACCESS_KEYS, "-");
    expect("inline:{.d.test=1}", "u@a.b.d.test", LOOKUP_ADDRESS | LOOKUP_DOT_PARENTS, "1");
    expect("inline:{.d.test=1}", "u@d.test", LOOKUP_ADDRESS | LOOKUP_DOT_PARENTS, "-");
    expect("inline:{u@=1}", "u+x@d.test", ACCESS_KEYS, "1|+x");
}

static void patterns_see_whole_addresses_only(void **state)
{
    (void)state;
    expect("regexp:{{/^u\\+x@d\\.test$/ whole}}", "u+x@d.test", VIRTUAL_KEYS, "whole");
    expect("regexp:{{/^u@d\\.test$/ part}, {/^@/ part}, {/^u$/ part}}", "u+x@d.test", VIRTUAL_KEYS, "-");
}

static void some_names_have_no_extension(void **state)
{
    (void)state;
    assert_int_equal(address_extension_start("user+x", 6, "+-"), 4);
    assert_int_equal(address_extension_start("user", 4, "+-"), 4);
    assert_int_equal(address_extension_start("+x", 2, "+-"), 2);
    assert_int_equal(address_extension_start("mailer-daemon", 13, "-"), 13);
    assert_int_equal(address_extension_start("Double-Bounce", 13, "-"), 13);
    assert_int_equal(address_extension_start("owner-list", 10, "-"), 10);
    assert_int_equal(address_extension_start("list-request", 12, "-"), 12);
}

static void domain_alone(void **state)
{
    struct error error;
    struct text result = {0};
    struct table_list *list = table_list_open("inline:{d.test=1, .p.test=2}", &error);

    (void)state;
    assert_int_equal(domain_lookup(list, "D.test", LOOKUP_PARENTS, &result, &error), TABLE_FOUND);
    assert_int_equal(domain_lookup(list, "a.d.test", LOOKUP_PARENTS, &result, &error), TABLE_FOUND);
    assert_int_equal(domain_lookup(list, "a.d.test", LOOKUP_DOT_PARENTS, &result, &error), TABLE_NOT_FOUND);
    assert_int_equal(domain_lookup(list, "a.p.test", LOOKUP_DOT_PARENTS, &result, &error), TABLE_FOUND);
    assert_string_equal(text_string(&result), "2");
    text_free(&result);
    table_list_close(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_key_wins),   cmocka_unit_test(keys_go_over_all_tables_one_by_one),
        cmocka_unit_test(domains_and_parents),          cmocka_unit_test(patterns_see_whole_addresses_only),
        cmocka_unit_test(some_names_have_no_extension), cmocka_unit_test(domain_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
