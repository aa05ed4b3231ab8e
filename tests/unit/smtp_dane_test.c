/* Where a host's TLSA records are looked for, and what is read out of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/dane.h"
#include "smtp/dnssec.h"

static void assert_bases(const struct smtp_host *host, bool alias_authentic, bool force, const char *first, const char *second)
{
    const char *bases[3] = {"", "", ""};

    smtp_dane_bases(host, alias_authentic, force, bases);
    if (first == NULL) {
        assert_null(bases[0]);
        return;
    }
    assert_string_equal(bases[0], first);
    if (second == NULL)
        assert_null(bases[1]);
    else
        assert_string_equal(bases[1], second);
}

static void a_host_with_signed_addresses(void **state)
{
    struct smtp_host host = {.name = "MX.example", .canonical = "mx.example", .authentic = true};

    (void)state;
    assert_bases(&host, false, false, "mx.example", NULL);
    host.canonical = "real.example";
    assert_bases(&host, false, false, "real.example", "MX.example");
}

static void a_host_without(void **state)
{
    struct smtp_host host = {.name = "mx.example", .canonical = "mx.example"};

    (void)state;
    assert_bases(&host, false, false, NULL, NULL);
    assert_bases(&host, false, true, "mx.example", NULL);
    host.canonical = "real.example"; /* an alias that leads out of what is signed */
    assert_bases(&host, false, false, NULL, NULL);
    assert_bases(&host, false, true, NULL, NULL);
    assert_bases(&host, true, false, "mx.example", NULL);
    assert_bases(&host, true, true, "mx.example", NULL);
    host.canonical = NULL; /* found in a file, or an address */
    assert_bases(&host, false, true, NULL, NULL);
}

static void records_are_read(void **state)
{
    static const unsigned char data[] = {3, 1, 2, 0x0a, 0xff};
    struct arena *arena = arena_new();
    struct tls_tlsa record;

    (void)state;
    for (size_t length = 0; length <= 3; length++)
        assert_false(smtp_dane_read(data, length, &record));
    assert_true(smtp_dane_read(data, sizeof data, &record));
    assert_int_equal(record.usage, 3);
    assert_int_equal(record.selector, 1);
    assert_int_equal(record.matching_type, 2);
    assert_int_equal(record.length, 2);
    assert_string_equal(tls_tlsa_print(&record, arena), "3 1 2 0AFF");
    arena_free(arena);
}

/* Those of the other levels have nothing to do with it. */
static void other_levels_are_left_alone(void **state)
{
    const struct smtp_client client = {0};
    const struct smtp_host host = {.name = "mx.example"};
    struct smtp_tls_policy policy = {.level = SMTP_TLS_MAY}, result;
    struct smtp_trouble trouble;

    (void)state;
    assert_int_equal(smtp_dane_policy(&client, &policy, &host, NULL, &result, &trouble), SMTP_DANE_NONE);
    policy.level = SMTP_TLS_SECURE;
    assert_int_equal(smtp_dane_policy(&client, &policy, &host, NULL, &result, &trouble), SMTP_DANE_NONE);
}

static void the_probe_is_a_type_and_a_name(void **state)
{
    struct error error;

    (void)state;
    assert_null(smtp_dnssec_new("ns", &error));
    assert_null(smtp_dnssec_new("ns:", &error));
    assert_null(smtp_dnssec_new("nonsense:example", &error));
    for (const char *const *good = (const char *const[]){"ns:.", "SOA:example.com", "", NULL}; *good != NULL; good++) {
        struct smtp_dnssec *made = smtp_dnssec_new(*good, &error);

        assert_non_null(made);
        free(made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_with_signed_addresses),
        cmocka_unit_test(a_host_without),
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(other_levels_are_left_alone),
        cmocka_unit_test(the_probe_is_a_type_and_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
