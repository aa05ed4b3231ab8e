/* What anvil counts, by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "anvil/counts.h"

enum { UNIT = 60 };

static int set_up(void **state)
{
    *state = anvil_counts_new(UNIT * SECONDS, 3);
    return 0;
}

static int tear_down(void **state)
{
    anvil_counts_free(*state);
    return 0;
}

static int64_t at(int seconds)
{
    return 1000 * SECONDS + seconds * SECONDS;
}

static void connections_come_and_go(void **state)
{
    struct anvil_client *one = anvil_connect(*state, "smtp:192.0.2.1", at(0));

    assert_int_equal(anvil_connections(one), 1);
    assert_ptr_equal(anvil_connect(*state, "smtp:192.0.2.1", at(1)), one);
    assert_int_equal(anvil_connections(one), 2);
    assert_ptr_not_equal(anvil_connect(*state, "submission:192.0.2.1", at(1)), one);
    anvil_disconnect(*state, one, at(2));
    assert_int_equal(anvil_connections(one), 1);
}

static void rates_begin_anew(void **state)
{
    struct anvil_client *client = anvil_connect(*state, "smtp:192.0.2.1", at(0));

    assert_int_equal(anvil_note(*state, client, ANVIL_MESSAGE, at(1)), 1);
    assert_int_equal(anvil_note(*state, client, ANVIL_MESSAGE, at(UNIT - 1)), 2);
    assert_int_equal(anvil_rate(*state, client, ANVIL_MESSAGE, at(UNIT - 1)), 2);
    assert_int_equal(anvil_rate(*state, client, ANVIL_CONNECTION, at(UNIT - 1)), 1);
    assert_int_equal(anvil_rate(*state, client, ANVIL_RECIPIENT, at(UNIT - 1)), 0);
    assert_int_equal(anvil_note(*state, client, ANVIL_RECIPIENT, at(UNIT)), 1);
    assert_int_equal(anvil_rate(*state, client, ANVIL_MESSAGE, at(UNIT)), 0);
    assert_int_equal(anvil_connections(client), 1); /* whatever the time */
}

static void who_has_gone_is_forgotten(void **state)
{
    struct anvil_client *client = anvil_connect(*state, "smtp:192.0.2.1", at(0));

    anvil_disconnect(*state, client, at(1));
    anvil_counts_sweep(*state, at(2));
    assert_int_equal(anvil_counts_clients(*state), 1); /* its rates still count */
    assert_int_equal(anvil_rate(*state, anvil_connect(*state, "smtp:192.0.2.1", at(3)), ANVIL_CONNECTION, at(3)), 2);
    anvil_counts_sweep(*state, at(UNIT + 4));
    assert_int_equal(anvil_counts_clients(*state), 1); /* it is connected */
    anvil_disconnect(*state, anvil_connect(*state, "smtp:192.0.2.2", at(0)), at(UNIT));
    assert_int_equal(anvil_counts_clients(*state), 1);
}

static void not_more_than_the_limit(void **state)
{
    assert_non_null(anvil_connect(*state, "a", at(0)));
    anvil_disconnect(*state, anvil_connect(*state, "b", at(0)), at(0));
    assert_non_null(anvil_connect(*state, "c", at(0)));
    assert_null(anvil_connect(*state, "d", at(1)));
    assert_non_null(anvil_connect(*state, "a", at(1)));
    anvil_counts_sweep(*state, at(UNIT));
    assert_non_null(anvil_connect(*state, "d", at(UNIT)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rates_begin_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_gone_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_more_than_the_limit, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
