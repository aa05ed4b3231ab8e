/* master: how sessions are spread over processes, and what the first column of an inet service means. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/service/share.h"
#include "master/inet_names.h"
#include "master/known.h"
#include "util/base/text.h"

static long processes(int maxproc, long each)
{
    const struct master_service service = {.process_limit = maxproc};

    return service_process_limit(&service, each);
}

/* How many cores there are differs: two at most are asked for, and one is always there. */
static void processes_hold_all_sessions(void **unused)
{
    (void)unused;
    assert_int_equal(processes(100, 100), 1);
    assert_int_equal(processes(0, 100), 1);
    assert_int_equal(processes(1, 100), 1);
    assert_in_range(processes(101, 100), 1, 2);
    assert_int_equal(processes(300, 1), 300);
    assert_int_equal(processes(0, 1), LONG_MAX);
}

static void shares_add_up(void **unused)
{
    (void)unused;
    for (int maxproc = 2; maxproc < 500; maxproc += 7) {
        const struct master_service service = {.process_limit = maxproc};
        long sum = 0;

        for (long slot = 0; slot < 3; slot++)
            sum += service_session_limit(&service, 10, 3, slot);
        assert_int_equal(sum, maxproc);
        assert_int_equal(service_session_limit(&service, 1, maxproc, 1), 1);
    }
}

/* The addresses of a name, "192.0.2.1:25 [::1]:25" for short; "" when it cannot be resolved. */
static const char *resolve(struct text *result, const char *name, const char *interfaces, const char *protocols)
{
    struct settings settings = {
        .mail = {.inet_interfaces = interfaces, .inet_protocols = protocols, .known_tcp_ports = "lmtp=24, a=b=465"},
    };
    struct inet_addresses addresses;
    struct error error;

    text_clear(result);
    if (!inet_names_resolve(&settings, name, &addresses, &error))
        return text_string(result);
    for (size_t i = 0; i < addresses.count; i++) {
        char printed[NET_ADDRESS_SIZE];

        text_append_format(result, "%s%s %u", i > 0 ? ", " : "", net_address_print(&addresses.items[i], printed),
                           net_address_port(&addresses.items[i]));
    }
    free(addresses.items);
    return text_string(result);
}

static void names_mean_addresses(void **unused)
{
    static const struct {
        const char *name, *interfaces, *protocols, *addresses;
    } rows[] = {
        {"2525", "all", "all", "0.0.0.0 2525, :: 2525"},
        {"2525", "all", "ipv4", "0.0.0.0 2525"},
        {"2525", "loopback-only", "ipv6", "::1 2525"},
        {"lmtp", "192.0.2.1, 192.0.2.2 192.0.2.1", "all", "192.0.2.1 24, 192.0.2.2 24"},
        {"b", "192.0.2.1", "all", "192.0.2.1 465"},
        {"192.0.2.7:2525", "all", "all", "192.0.2.7 2525"},
        {"[2001:db8::1]:2525", "127.0.0.1", "all", "2001:db8::1 2525"},
        {":2525", "192.0.2.1", "all", "192.0.2.1 2525"},
        {"192.0.2.7:2525", "all", "ipv6", ""},
        {"nosuchport", "all", "all", ""},
    };
    struct text result = {0};

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(resolve(&result, rows[i].name, rows[i].interfaces, rows[i].protocols),
                            rows[i].addresses);
    text_free(&result);
}

static void some_programs_are_needless(void **unused)
{
    (void)unused;
    assert_true(known_as_needless("scache"));
    assert_false(known_as_needless("smtpd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_hold_all_sessions),
        cmocka_unit_test(shares_add_up),
        cmocka_unit_test(names_mean_addresses),
        cmocka_unit_test(some_programs_are_needless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
