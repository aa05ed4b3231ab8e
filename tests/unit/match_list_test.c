/* mynetworks, mydestination and their like: what a list of patterns matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mail/address/match_list.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static struct match_list *open_list(const char *patterns, int flags)
{
    struct error error;
    struct match_list *list = match_list_new(patterns, flags, &error);

    if (list == NULL)
        fail_msg("%s: %s", patterns, error.text);
    return list;
}

static void expect_domain(const char *patterns, int flags, const char *name, enum match_result wanted)
{
    struct match_list *list = open_list(patterns, flags);
    struct error error;

    if (match_list_domain(list, name, &error) != wanted)
        fail_msg("%s in \"%s\"", name, patterns);
    match_list_free(list);
}

static void expect_client(const char *patterns, const char *name, const char *address, enum match_result wanted)
{
    struct match_list *list = open_list(patterns, MATCH_ADDRESSES);
    struct net_address parsed;
    struct error error;

    assert_true(net_address_parse(address, &parsed));
    if (match_list_client(list, name, &parsed, &error) != wanted)
        fail_msg("%s[%s] in \"%s\"", name, address, patterns);
    match_list_free(list);
}

/* What cannot be read is an error for those who come to it, and for nobody else. */
static void expect_broken(const char *pattern, const char *reason)
{
    char *patterns = memory_format("192.0.2.1 %s 192.0.2.2", pattern);
    struct match_list *list = open_list(patterns, MATCH_ADDRESSES);
    struct net_address parsed;
    struct error error;

    expect_client(patterns, "x", "192.0.2.1", MATCH_YES);
    assert_true(net_address_parse("192.0.2.2", &parsed));
    assert_int_equal(match_list_address(list, &parsed, &error), MATCH_ERROR);
    if (strstr(error.text, reason) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", reason, error.text);
    match_list_free(list);
    free(patterns);
}

static void names_and_parents(void **state)
{
    (void)state;
    expect_domain("a.test, B.test", 0, "A.TEST", MATCH_YES);
    expect_domain("a.test, B.test", 0, "b.test", MATCH_YES);
    expect_domain("a.test", 0, "x.a.test", MATCH_NO);
    expect_domain(".a.test", 0, "x.a.test", MATCH_YES);
    expect_domain(".a.test", 0, "a.test", MATCH_NO);
    expect_domain("a.test", MATCH_SUBDOMAINS, "x.a.test", MATCH_YES);
    expect_domain("a.test", MATCH_SUBDOMAINS, "xa.test", MATCH_NO);
    expect_domain("", 0, "a.test", MATCH_NO);
}

static void the_first_match_decides(void **state)
{
    (void)state;
    expect_domain("!b.test, .test, b.test", 0, "b.test", MATCH_NO);
    expect_domain("b.test !b.test", 0, "b.test", MATCH_YES);
    expect_client("!192.0.2.1, 192.0.2.0/24", "x", "192.0.2.1", MATCH_NO);
    expect_client("!192.0.2.1, 192.0.2.0/24", "x", "192.0.2.2", MATCH_YES);
}

static void addresses(void **state)
{
    (void)state;
    expect_client("127.0.0.0/8 [::1]/128 [2001:db8::]/32", "x", "2001:db8::5", MATCH_YES);
    expect_client("127.0.0.0/8 [::1]", "x", "::1", MATCH_YES);
    expect_client("127.0.0.0/8", "x", "::ffff:127.0.0.1", MATCH_YES);
    expect_client("host.test 10.0.0.0/8", "host.test", "192.0.2.1", MATCH_YES);
    expect_client("10.0.0.0/8", "x", "192.0.2.1", MATCH_NO);
    expect_broken("10.0.0.1/8", "non-null host address bits in \"10.0.0.1/8\"");
    expect_broken("10.0.0.0/33", "10.0.0.0/33");
}

static void tables(void **state)
{
    (void)state;
    expect_domain("inline:{a.test=x, b.test=}", 0, "b.test", MATCH_YES);
    expect_domain("inline:{a.test=x}", 0, "x.a.test", MATCH_NO);
    expect_domain("inline:{.a.test=x}", 0, "x.a.test", MATCH_YES);
    expect_domain("inline:{a.test=x}", MATCH_SUBDOMAINS, "x.a.test", MATCH_YES);
    expect_domain("fail:x a.test", 0, "a.test", MATCH_ERROR);
    expect_domain("a.test fail:x", 0, "a.test", MATCH_YES);
    expect_client("cidr:{{10.0.0.0/8 x}}", "x", "10.1.1.1", MATCH_YES);
    expect_client("!cidr:{{10.0.0.0/8 x}}, 0.0.0.0/0", "x", "10.1.1.1", MATCH_NO);
}

static void files(void **state)
{
    char path[] = "/tmp/match_list_test.XXXXXX", *negative, *cidr;
    FILE *file = fdopen(mkstemp(path), "w");

    (void)state;
    assert_non_null(file);
    fputs("# comment\na.test b.test\n\n  !c.test\n192.0.2.0/24\n", file);
    fclose(file);
    negative = memory_format("!%s .test", path);
    expect_client(path, "b.test", "10.0.0.1", MATCH_YES);
    expect_client(path, "x", "192.0.2.9", MATCH_YES);
    expect_client(path, "c.test", "192.0.2.9", MATCH_NO);
    expect_client(negative, "a.test", "10.0.0.1", MATCH_NO);
    expect_client(negative, "d.test", "10.0.0.1", MATCH_YES);
    free(negative);
    fputs("10.0.0.0/8 x\n", file = fopen(path, "w"));
    fclose(file);
    cidr = memory_format("cidr:%s", path);
    expect_client(cidr, "x", "10.1.1.1", MATCH_YES);
    expect_client(cidr, "x", "11.1.1.1", MATCH_NO);
    free(cidr);
    unlink(path);
    expect_broken("/nonexistent/file", "open file /nonexistent/file: No such file or directory");
}

static void parent_flag(void **state)
{
    (void)state;
    assert_int_equal(match_parent_flag("debug_peer_list,mynetworks", "mynetworks"), MATCH_SUBDOMAINS);
    assert_int_equal(match_parent_flag("debug_peer_list,mynetworks", "relay_domains"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_parents), cmocka_unit_test(the_first_match_decides), cmocka_unit_test(addresses),
        cmocka_unit_test(tables),            cmocka_unit_test(files),                   cmocka_unit_test(parent_flag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
