/* The order in which servers are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "smtp/destination.h"
#include "util/base/text.h"

struct list_of_hosts {
    struct smtp_host hosts[16];
    struct smtp_hosts list;
};

/* "10 192.0.2.1" and so on; the name of a host is its address. */
static void fill(struct list_of_hosts *filled, const unsigned *preferences, const char *const *addresses)
{
    memset(filled, 0, sizeof *filled);
    filled->list.hosts = filled->hosts;
    for (; *addresses != NULL; addresses++, preferences++) {
        struct smtp_host *host = &filled->hosts[filled->list.count++];

        host->name = *addresses;
        host->preference = *preferences;
        assert_true(net_address_parse(*addresses, &host->address));
    }
}

static void assert_order(const struct list_of_hosts *filled, const char *expected)
{
    struct text names = {0};

    for (size_t i = 0; i < filled->list.count; i++)
        text_append_format(&names, "%s%s", i > 0 ? " " : "", filled->list.hosts[i].name);
    assert_string_equal(text_string(&names), expected);
    text_free(&names);
}

static void test_sort(void **state)
{
    const char *const addresses[] = {"192.0.2.3", "192.0.2.1", "2001:db8::1", "192.0.2.2", NULL};
    const unsigned preferences[] = {30, 10, 10, 10};
    struct list_of_hosts filled;
    bool moved = false;

    (void)state;
    fill(&filled, preferences, addresses);
    destination_sort(&filled.list, false, SMTP_PREFER_ANY);
    assert_order(&filled, "192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3");
    destination_sort(&filled.list, false, SMTP_PREFER_IPV4);
    assert_order(&filled, "192.0.2.1 192.0.2.2 2001:db8::1 192.0.2.3");
    destination_sort(&filled.list, false, SMTP_PREFER_IPV6);
    assert_order(&filled, "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3");
    for (int i = 0; i < 200; i++) {
        destination_sort(&filled.list, true, SMTP_PREFER_ANY);
        assert_string_equal(filled.list.hosts[3].name, "192.0.2.3");
        moved = moved || strcmp(filled.list.hosts[0].name, "192.0.2.2") == 0;
    }
    assert_true(moved);
}

static void test_own_address(void **state)
{
    const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", NULL};
    const unsigned preferences[] = {10, 20, 20, 30};
    struct net_address own[1];
    struct smtp_client client = {.own = own, .own_count = 1};
    struct list_of_hosts filled;

    (void)state;
    net_address_parse("192.0.2.3", &own[0]);
    fill(&filled, preferences, addresses);
    assert_true(destination_cut_own(&client, &filled.list));
    assert_order(&filled, "192.0.2.1");
    assert_true(filled.list.local_mx);
    net_address_parse("192.0.2.1", &own[0]);
    fill(&filled, preferences, addresses);
    assert_false(destination_cut_own(&client, &filled.list));
    net_address_parse("192.0.2.9", &own[0]);
    fill(&filled, preferences, addresses);
    assert_true(destination_cut_own(&client, &filled.list));
    assert_int_equal(filled.list.count, 4);
    assert_false(filled.list.local_mx);
}

static void test_limit(void **state)
{
    const char *const addresses[] = {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "192.0.2.1",
                                     "192.0.2.2", NULL};
    const unsigned preferences[] = {1, 1, 1, 1, 1, 1};
    struct list_of_hosts filled;

    (void)state;
    fill(&filled, preferences, addresses);
    destination_limit(&filled.list, 0, true);
    assert_int_equal(filled.list.count, 6);
    destination_limit(&filled.list, 4, false);
    assert_order(&filled, "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4");
    fill(&filled, preferences, addresses);
    destination_limit(&filled.list, 4, true);
    assert_order(&filled, "2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2");
    fill(&filled, preferences, addresses);
    destination_limit(&filled.list, 5, true);
    assert_order(&filled, "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 192.0.2.1");
}

static void test_items(void **state)
{
    struct arena *arena = arena_new();
    const char *list = " [a]:25, b\tc:smtp,,";

    (void)state;
    assert_string_equal(destination_next(&list, arena), "[a]:25");
    assert_string_equal(destination_next(&list, arena), "b");
    assert_string_equal(destination_next(&list, arena), "c:smtp");
    assert_null(destination_next(&list, arena));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_own_address),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_items),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
