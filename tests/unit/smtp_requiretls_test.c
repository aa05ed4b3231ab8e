/* What REQUIRETLS demands of a next hop, by smtp_requiretls_policy; and what servers lack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "smtp/tls.h"

static const char *const names[] = {"disable", "opportunistic", "opportunistic+starttls", "enforce"};

static const char *ask(const char *items, const char *nexthop, bool lmtp)
{
    struct error error;
    struct smtp_tls tls = {.requiretls = smtp_requiretls_policy_new(items, &error)};
    struct mail_config mail = {.myhostname = "me.example"};
    struct smtp_client client = {.mail = &mail, .tls = &tls, .lmtp = lmtp, .default_port = "25"};
    enum smtp_requiretls demand;
    bool found;

    assert_non_null(tls.requiretls);
    found = smtp_requiretls_find(&client, nexthop, &demand, &error);
    smtp_requiretls_policy_free(tls.requiretls);
    return found ? names[demand] : "error";
}

static void words_and_tables_in_order(void **state)
{
    static const char usual[] = "inline:{ { my.example = opportunistic } { .my.example = opportunistic } "
                                "{ localhost = opportunistic } } "
                                "cidr:{ { 0.0.0.0/0 opportunistic }, { ::/0 opportunistic } }, enforce";

    (void)state;
    assert_string_equal(ask(usual, "my.example", false), "opportunistic");
    assert_string_equal(ask(usual, "[a.b.my.example]:587", false), "opportunistic");
    assert_string_equal(ask(usual, "notmy.example", false), "enforce");
    assert_string_equal(ask(usual, "[192.0.2.1]", false), "opportunistic");
    assert_string_equal(ask(usual, "[::1]:10025", false), "opportunistic");
    assert_string_equal(ask(usual, "example", false), "enforce");
    assert_string_equal(ask("opportunistic+starttls", "x.example", false), "opportunistic+starttls");
    assert_string_equal(ask("Disable", "x.example", false), "disable");
    assert_string_equal(ask("", "x.example", false), "enforce");
    assert_string_equal(ask("inline:{xn--bcher-kva.example=disable}", "b\u00fccher.example", false), "disable");
    assert_string_equal(ask("inline:{x.example=disable}", "y.example", false), "enforce");
}

static void patterns_are_asked_once(void **state)
{
    (void)state;
    assert_string_equal(ask("regexp:{ {/^\\.example$/ disable} } opportunistic", "x.example", false), "opportunistic");
    assert_string_equal(ask("regexp:{ {/\\.example$/ disable} } opportunistic", "x.example", false), "disable");
}

static void sockets_have_our_name(void **state)
{
    (void)state;
    assert_string_equal(ask("inline:{me.example=disable}", "unix:private/store", true), "disable");
    assert_string_equal(ask("inline:{store.example=disable}", "inet:store.example:24", true), "disable");
}

static void mistakes(void **state)
{
    struct error error;

    (void)state;
    assert_null(smtp_requiretls_policy_new("opportunistic enforced", &error));
    assert_string_equal(error.text, "smtp_requiretls_policy: \"enforced\" is none of enforce, opportunistic+starttls, "
                                    "opportunistic, disable");
    assert_string_equal(ask("inline:{x.example=yes}", "x.example", false), "error");
    assert_string_equal(ask("fail:1", "x.example", false), "error");
}

static void lacks(void **state)
{
    struct smtp_tls_policy none = {.level = SMTP_TLS_NONE}, may = {.level = SMTP_TLS_MAY}, secure = {.level = SMTP_TLS_SECURE};
    struct smtp_session plain = {.client = NULL};

    (void)state;
    assert_null(smtp_requiretls_policy_lack(REQUIRETLS_IF_OFFERED, &none));
    assert_string_equal(smtp_requiretls_policy_lack(REQUIRETLS_ENCRYPTED, &none), "noencryption");
    assert_null(smtp_requiretls_policy_lack(REQUIRETLS_ENCRYPTED, &may));
    assert_string_equal(smtp_requiretls_policy_lack(REQUIRETLS_ENFORCED, &may), "nocertmatch");
    assert_null(smtp_requiretls_policy_lack(REQUIRETLS_ENFORCED, &secure));
    assert_null(smtp_requiretls_session_lack(REQUIRETLS_IF_OFFERED, &plain));
    assert_string_equal(smtp_requiretls_session_lack(REQUIRETLS_ENCRYPTED, &plain), "nostarttls");
    assert_string_equal(smtp_requiretls_session_lack(REQUIRETLS_ENFORCED, &plain), "nostarttls");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_and_tables_in_order), cmocka_unit_test(patterns_are_asked_once),
                                       cmocka_unit_test(sockets_have_our_name), cmocka_unit_test(mistakes),
                                       cmocka_unit_test(lacks)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
