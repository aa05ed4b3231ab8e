/* How much TLS a next hop has to have, by main.cf and by smtp_tls_policy_maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/tls.h"
#include "util/base/memory.h"

struct fixture {
    struct smtp_config config;
    struct smtp_tls tls;
    struct smtp_client client;
    struct arena *arena;
    struct smtp_tls_policy policy;
    struct error error;
};

/* What is read once lives as long as the process. */
static struct config *main_cf;
static struct smtp_config defaults;
static const struct tls_parameters *parameters;

static int read_once(void **state)
{
    struct error error;

    (void)state;
    main_cf = config_new_empty("/nonexistent");
    assert_true(config_fill(main_cf, &smtp_parameters, &defaults, &error));
    parameters = mail_tls_parameters(main_cf, &error);
    assert_non_null(parameters);
    return 0;
}

static int set_up(void **state)
{
    struct fixture *fixture = memory_new(sizeof *fixture);

    fixture->config = defaults;
    fixture->tls.parameters = parameters;
    fixture->tls.policies = table_list_open("", &fixture->error);
    fixture->client = (struct smtp_client){.config = &fixture->config, .tls = &fixture->tls, .default_port = "25"};
    fixture->arena = arena_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    table_list_close(fixture->tls.policies);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static void use_table(struct fixture *fixture, const char *table)
{
    table_list_close(fixture->tls.policies);
    fixture->tls.policies = table_list_open(table, &fixture->error);
    assert_non_null(fixture->tls.policies);
}

static const char *level_of(struct fixture *fixture, const char *item)
{
    return smtp_tls_policy_find(&fixture->client, item, fixture->arena, &fixture->policy, &fixture->error)
               ? smtp_tls_level_name(fixture->policy.level)
               : "error";
}

static void main_cf_decides(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.tls_security_level = "Encrypt";
    assert_string_equal(level_of(fixture, "example.com"), "encrypt");
    fixture->config.tls_security_level = "";
    assert_string_equal(level_of(fixture, "example.com"), "none");
    fixture->config.use_tls = true;
    assert_string_equal(level_of(fixture, "example.com"), "may");
    fixture->config.enforce_tls = true;
    assert_string_equal(level_of(fixture, "example.com"), "verify");
    fixture->config.tls_enforce_peername = false;
    assert_string_equal(level_of(fixture, "example.com"), "encrypt");
    fixture->config.tls_security_level = "perhaps";
    assert_string_equal(level_of(fixture, "example.com"), "error");
    assert_non_null(strstr(fixture->error.text, "perhaps"));
}

static void tables_are_asked_from_the_whole_to_the_parts(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.tls_security_level = "may";
    use_table(fixture, "inline:{ {[mail.example.com]:587 = verify} {example.com = secure} {.example.com = encrypt} "
                       "{a.example.com:2525 = none} }");
    assert_string_equal(level_of(fixture, "[mail.example.com]:587"), "verify");
    assert_string_equal(level_of(fixture, "[mail.example.com]"), "may"); /* brackets and port count, no domain does */
    assert_string_equal(level_of(fixture, "example.com"), "secure");
    assert_string_equal(level_of(fixture, "example.com:25"), "secure");
    assert_string_equal(level_of(fixture, "a.b.example.com"), "encrypt");
    assert_string_equal(level_of(fixture, "a.example.com:2525"), "none");
    assert_string_equal(level_of(fixture, "example.org"), "may");
}

static void attributes_go_with_levels(void **state)
{
    struct fixture *fixture = *state;

    use_table(fixture, "inline:{ {one = may match=x} {two = verify match=hostname:nexthop match=.z.example} "
                       "{three = encrypt tafile=/x} {four = encrypt protocols=TLSv9} {five = encrypt ciphers=best} }");
    assert_string_equal(level_of(fixture, "one"), "error");
    assert_string_equal(level_of(fixture, "two"), "verify");
    assert_string_equal(smtp_tls_policy_names(&fixture->policy, "mx.example", fixture->arena)[0], "mx.example");
    assert_string_equal(smtp_tls_policy_names(&fixture->policy, "mx.example", fixture->arena)[1], "two");
    assert_string_equal(smtp_tls_policy_names(&fixture->policy, "mx.example", fixture->arena)[2], ".z.example");
    assert_null(smtp_tls_policy_names(&fixture->policy, "mx.example", fixture->arena)[3]);
    assert_string_equal(level_of(fixture, "three"), "error");
    assert_string_equal(level_of(fixture, "four"), "error");
    assert_string_equal(level_of(fixture, "five"), "error");
}

/* What plug-ins for MTA-STS say. */
static void sts_attributes(void **state)
{
    struct fixture *fixture = *state;
    struct smtp_tls_policy *policy = &fixture->policy;

    use_table(fixture, "inline:{ {one = secure match=x servername=hostname policy_type=sts policy_domain=d.example policy_ttl=9 "
                       "{ policy_string = version: STSv1 } {policy_string=mode: enforce} mx_host_pattern=a.example "
                       "mx_host_pattern=*.b.example} {two = may policy_type=no-policy-found policy_failure=sts-webpki-invalid} "
                       "{three = may policy_type=sts mx_host_pattern=a.example} {four = secure match=x policy_type=sts} "
                       "{five = may policy_type=other} {six = may policy_failure=other} {seven = may policy_ttl=other} "
                       "{eight = secure match=x servername=hostname mx_host_pattern=a.example} }");
    assert_string_equal(level_of(fixture, "one"), "secure");
    assert_true(policy->administered && policy->mx_must_match && policy->source == TLS_POLICY_STS);
    assert_string_equal(policy->match, "hostname");
    assert_string_equal(policy->domain, "d.example");
    assert_string_equal(policy->source_lines[0], "version: STSv1");
    assert_string_equal(policy->source_lines[1], "mode: enforce");
    assert_null(policy->source_lines[2]);
    assert_string_equal(policy->mx_patterns[1], "*.b.example");
    assert_null(policy->mx_patterns[2]);
    assert_non_null(strstr(policy->identity, "a.example *.b.example"));
    fixture->config.tls_enforce_sts_mx_patterns = false;
    assert_string_equal(level_of(fixture, "one"), "secure");
    assert_false(policy->mx_must_match);
    assert_string_equal(policy->match, "x");
    fixture->config.tls_enforce_sts_mx_patterns = true;
    assert_string_equal(level_of(fixture, "two"), "may");
    assert_int_equal(policy->source, TLS_POLICY_NONE_FOUND);
    assert_int_equal(policy->failure, TLS_FAILURE_STS_WEBPKI_INVALID);
    assert_string_equal(policy->domain, "two");
    assert_string_equal(level_of(fixture, "three"), "may");
    assert_true(policy->source == TLS_POLICY_STS && !policy->mx_must_match);
    assert_string_equal(policy->match, "hostname");
    assert_string_equal(level_of(fixture, "four"), "secure");
    assert_false(policy->mx_must_match); /* there is nothing to match */
    assert_string_equal(policy->match, "x");
    assert_string_equal(level_of(fixture, "five"), "error");
    assert_string_equal(level_of(fixture, "six"), "error");
    assert_string_equal(level_of(fixture, "seven"), "error");
    assert_string_equal(level_of(fixture, "eight"), "secure");
    assert_false(policy->mx_must_match); /* it does not say that it is a policy of MTA-STS */
    assert_string_equal(level_of(fixture, "nine"), "none");
    assert_false(policy->administered);
}

static void fingerprints_keep_their_colons(void **state)
{
    struct fixture *fixture = *state;

    use_table(fixture, "inline:{ {one = fingerprint match=AB:CD|EF:01 match=23:45} }");
    assert_string_equal(level_of(fixture, "one"), "fingerprint");
    assert_string_equal(smtp_tls_policy_fingerprints(&fixture->policy, fixture->arena)[0], "AB:CD");
    assert_string_equal(smtp_tls_policy_fingerprints(&fixture->policy, fixture->arena)[1], "EF:01");
    assert_string_equal(smtp_tls_policy_fingerprints(&fixture->policy, fixture->arena)[2], "23:45");
}

/* What differs in who the server has to be must not share a connection, or a session. */
static void identities_tell_policies_apart(void **state)
{
    struct fixture *fixture = *state;
    const char *first;

    use_table(fixture, "inline:{ {one = encrypt} {two = encrypt} {three = secure} {four = secure} {five = encrypt servername=x} }");
    level_of(fixture, "one");
    first = fixture->policy.identity;
    level_of(fixture, "two");
    assert_string_equal(first, fixture->policy.identity);
    level_of(fixture, "five");
    assert_string_not_equal(first, fixture->policy.identity);
    level_of(fixture, "three");
    first = fixture->policy.identity;
    level_of(fixture, "four");
    assert_string_not_equal(first, fixture->policy.identity);
}

static void dane_needs_signed_answers(void **state)
{
    struct fixture *fixture = *state;

    use_table(fixture, "inline:{ {one = dane} {two = dane-only} {three = dane match=x} {four = dane tafile=x} "
                       "{five = dane ciphers=high} }");
    assert_string_equal(level_of(fixture, "one"), "may");
    assert_string_equal(level_of(fixture, "two"), "error");
    fixture->client.dnssec = true;
    assert_string_equal(level_of(fixture, "one"), "dane");
    assert_int_equal(fixture->policy.without_tlsa->level, SMTP_TLS_MAY);
    assert_string_not_equal(fixture->policy.without_tlsa->identity, fixture->policy.identity);
    assert_string_equal(level_of(fixture, "two"), "dane-only");
    assert_null(fixture->policy.without_tlsa);
    assert_string_equal(level_of(fixture, "three"), "error");
    assert_string_equal(level_of(fixture, "four"), "error");
    assert_string_equal(level_of(fixture, "five"), "dane");
}

static void wrapper_mode_is_encrypted(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.tls_wrappermode = true;
    fixture->config.tls_security_level = "may";
    assert_string_equal(level_of(fixture, "example.com"), "error");
    fixture->config.tls_security_level = "encrypt";
    assert_string_equal(level_of(fixture, "example.com"), "encrypt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(main_cf_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_are_asked_from_the_whole_to_the_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(attributes_go_with_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sts_attributes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fingerprints_keep_their_colons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(identities_tell_policies_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dane_needs_signed_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrapper_mode_is_encrypted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, read_once, NULL);
}
