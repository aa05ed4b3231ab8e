/* MTA-STS in the client: which hosts a policy names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "smtp/sts.h"

static void mx_patterns(void **state)
{
    const char *const patterns[] = {"mail.example.com", "*.example.net", NULL}, *const none[] = {NULL};

    (void)state;
    assert_true(smtp_sts_mx_matches(patterns, "mail.example.com"));
    assert_true(smtp_sts_mx_matches(patterns, "MAIL.example.COM"));
    assert_true(smtp_sts_mx_matches(patterns, "a.example.net"));
    assert_true(smtp_sts_mx_matches(patterns, "A.Example.Net"));
    assert_false(smtp_sts_mx_matches(patterns, "a.b.example.net"));
    assert_false(smtp_sts_mx_matches(patterns, "example.net"));
    assert_false(smtp_sts_mx_matches(patterns, ".example.net"));
    assert_false(smtp_sts_mx_matches(patterns, "aexample.net"));
    assert_false(smtp_sts_mx_matches(patterns, "b.mail.example.com"));
    assert_false(smtp_sts_mx_matches(patterns, "mail.example.com.evil.example"));
    assert_false(smtp_sts_mx_matches(patterns, ""));
    assert_false(smtp_sts_mx_matches(none, "mail.example.com"));
}

static const struct smtp_host host = {.name = "mx.sts.example"};

static void host_in_a_policy(void **state)
{
    const char *const patterns[] = {"mx.sts.example", NULL}, *const others[] = {"mx1.sts.example", NULL};
    struct smtp_tls_policy sts = {.level = SMTP_TLS_SECURE, .source = TLS_POLICY_STS, .mx_must_match = true, .mx_patterns = patterns, .domain = "sts.example"};
    const struct smtp_tls_policy policy = {.level = SMTP_TLS_MAY, .domain = "sts.example", .sts = &sts};
    struct arena *arena = arena_new();
    struct smtp_tls_policy result;
    struct smtp_trouble trouble;

    (void)state;
    assert_true(smtp_sts_host_policy(&policy, &host, arena, &result, &trouble));
    assert_int_equal(result.level, SMTP_TLS_SECURE);
    assert_int_equal(result.failure, TLS_FAILURE_NONE);
    sts.mx_patterns = others;
    assert_false(smtp_sts_host_policy(&policy, &host, arena, &result, &trouble));
    assert_string_equal(trouble.dsn, "4.7.5");
    assert_string_equal(trouble.reason.text, "host mx.sts.example is not in the MTA-STS policy of sts.example");
    sts.mx_must_match = false; /* testing: told, not held to */
    sts.level = SMTP_TLS_MAY;
    assert_true(smtp_sts_host_policy(&policy, &host, arena, &result, &trouble));
    assert_int_equal(result.failure, TLS_FAILURE_VALIDATION);
    assert_string_equal(result.failure_reason, "host mx.sts.example is not in the MTA-STS policy of sts.example");
    arena_free(arena);
}

static void host_without_one(void **state)
{
    const struct smtp_tls_policy policy = {.level = SMTP_TLS_MAY, .nexthop = "sts.example", .identity = "x"};
    struct smtp_tls_policy result;
    struct smtp_trouble trouble;

    (void)state;
    assert_true(smtp_sts_host_policy(&policy, &host, NULL, &result, &trouble));
    assert_int_equal(result.level, SMTP_TLS_MAY);
    assert_string_equal(result.identity, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mx_patterns),
        cmocka_unit_test(host_in_a_policy),
        cmocka_unit_test(host_without_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
