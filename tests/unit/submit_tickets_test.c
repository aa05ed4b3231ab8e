#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mail/ipc/ipc.h"
#include "mail/submit/tickets.h"

static void test_newest_first(void **state)
{
    struct tickets tickets = {.count = 0};
    struct ticket ticket;

    (void)state;
    assert_false(tickets_take(&tickets, 0, &ticket));
    assert_int_equal(ticket.inode, 0);
    tickets_put(&tickets, (struct ticket){.inode = 1, .since = 10});
    tickets_put(&tickets, (struct ticket){.inode = 2, .since = 20});
    tickets_put(&tickets, (struct ticket){.inode = 0, .since = 30}); /* none */
    assert_true(tickets_take(&tickets, 30, &ticket));
    assert_int_equal(ticket.inode, 2);
    tickets_put(&tickets, ticket); /* it was not needed */
    assert_true(tickets_take(&tickets, 30, &ticket));
    assert_int_equal(ticket.inode, 2);
    assert_int_equal(ticket.since, 20);
    assert_true(tickets_take(&tickets, 30, &ticket));
    assert_int_equal(ticket.inode, 1);
    assert_false(tickets_take(&tickets, 30, &ticket));
}

static void test_old_ones_are_not_used(void **state)
{
    struct tickets tickets = {.count = 0};
    struct ticket ticket;

    (void)state;
    tickets_put(&tickets, (struct ticket){.inode = 1, .since = 0});
    tickets_put(&tickets, (struct ticket){.inode = 2, .since = 5});
    tickets_put(&tickets, (struct ticket){.inode = 3, .since = 0});
    assert_true(tickets_take(&tickets, IPC_TICKET_LIFETIME, &ticket));
    assert_int_equal(ticket.inode, 2);
    assert_false(tickets_take(&tickets, IPC_TICKET_LIFETIME, &ticket));
    assert_int_equal(tickets.count, 0);
}

static void test_limit(void **state)
{
    struct tickets tickets = {.count = 0};
    struct ticket ticket;

    (void)state;
    for (int i = 1; i <= TICKETS_LIMIT + 3; i++)
        tickets_put(&tickets, (struct ticket){.inode = i, .since = 0});
    assert_true(tickets_take(&tickets, 0, &ticket));
    assert_int_equal(ticket.inode, TICKETS_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_first),
        cmocka_unit_test(test_old_ones_are_not_used),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
