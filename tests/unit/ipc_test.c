/* Internal messages as bytes. */
#include "mail/ipc/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/ipc/ipc.h"

#define BYTES(literal) literal, sizeof(literal) - 1

static void test_encoded(void **state)
{
    static const char wanted[] = "\1\0\3\0\0\0r@y" "\4\0\x08\0\0\0\x02\x01\0\0\0\0\0\0";
    struct cleanup_recipient recipient = {.address = "r@y", .original = "", .dsn_orig_rcpt = NULL, .dsn_notify = 0x102};
    struct text out = {0};

    (void)state;
    ipc_encode(&out, &ipc_cleanup_recipient, &recipient);
    assert_int_equal(out.length, sizeof wanted - 1);
    assert_memory_equal(out.data, wanted, sizeof wanted - 1);
    text_free(&out);
}

static void test_negative_number_comes_back(void **state)
{
    struct cleanup_recipient recipient = {.dsn_notify = -2}, got;
    struct arena *arena = arena_new();
    struct text out = {0};

    (void)state;
    ipc_encode(&out, &ipc_cleanup_recipient, &recipient);
    assert_true(ipc_decode(out.data, out.length, &ipc_cleanup_recipient, &got, arena));
    assert_int_equal(got.dsn_notify, -2);
    assert_string_equal(got.address, "");
    text_free(&out);
    arena_free(arena);
}

/* The order of the rows is a habit, not a promise; tags that nobody knows are passed over. */
static void test_any_order(void **state)
{
    struct cleanup_recipient recipient;
    struct qmgr_taken taken;
    struct arena *arena = arena_new();

    (void)state;
    assert_true(ipc_decode(BYTES("\3\0\1\0\0\0c" "\1\0\1\0\0\0a" "\x99\1\2\0\0\0??" "\2\0\1\0\0\0b"),
                           &ipc_cleanup_recipient, &recipient, arena));
    assert_string_equal(recipient.address, "a");
    assert_string_equal(recipient.original, "b");
    assert_string_equal(recipient.dsn_orig_rcpt, "c");
    assert_int_equal(recipient.dsn_notify, 0);
    assert_true(ipc_decode(BYTES("\2\0\1\0\0\0x" "\2\0\1\0\0\0y" "\1\0\x08\0\0\0\1\0\0\0\0\0\0\0" "\2\0\1\0\0\0z"),
                           &ipc_qmgr_taken, &taken, arena));
    assert_int_equal(taken.full, 1);
    assert_int_equal(taken.spares.count, 3);
    assert_string_equal(taken.spares.items[0], "x");
    assert_string_equal(taken.spares.items[2], "z");
    arena_free(arena);
}

static void test_damaged(void **state)
{
    struct cleanup_recipient recipient;
    struct arena *arena = arena_new();

    (void)state;
    assert_true(ipc_decode("", 0, &ipc_cleanup_recipient, &recipient, arena));
    assert_false(ipc_decode(BYTES("\1\0\1\0\0"), &ipc_cleanup_recipient, &recipient, arena));
    assert_false(ipc_decode(BYTES("\1\0\2\0\0\0a"), &ipc_cleanup_recipient, &recipient, arena));
    assert_false(ipc_decode(BYTES("\1\0\xff\xff\xff\xff" "a"), &ipc_cleanup_recipient, &recipient, arena));
    assert_false(ipc_decode(BYTES("\1\0\2\0\0\0a\0"), &ipc_cleanup_recipient, &recipient, arena)); /* no string */
    assert_false(ipc_decode(BYTES("\4\0\4\0\0\0\1\0\0\0"), &ipc_cleanup_recipient, &recipient, arena)); /* no number */
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_negative_number_comes_back),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
