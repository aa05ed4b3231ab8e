/* What tlsmgr keeps: ticket keys that come and go, sessions that are found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "mail/tls/server_names.h"
#include "mail/tls/ticket_keys.h"
#include "tlsmgr/tlsmgr.h"

static void one_key_for_all(void **state)
{
    struct ticket_key_ring *ring = ticket_key_ring_new(3600 * SECONDS);
    struct tls_ticket_key first;
    size_t count;

    (void)state;
    first = *ticket_key_ring_current(ring, &count);
    assert_int_equal(count, 1);
    assert_memory_equal(&first, ticket_key_ring_current(ring, &count), sizeof first);
    assert_int_equal(count, 1);
    assert_true(first.encrypt_until > clock_wall() + 1700 * SECONDS && first.encrypt_until <= clock_wall() + 1800 * SECONDS);
    assert_int_equal(first.decrypt_until - first.encrypt_until, 3600 * SECONDS);
    ticket_key_ring_free(ring);
}

/* With a lifetime of nothing each question is about a new time. */
static void keys_renewed(void **state)
{
    struct ticket_key_ring *ring = ticket_key_ring_new(0);
    struct tls_ticket_key before = {0};
    size_t count;

    (void)state;
    for (int i = 0; i < 10; i++) {
        const struct tls_ticket_key *keys = ticket_key_ring_current(ring, &count);

        assert_true(count >= 1 && count <= TLS_TICKET_KEYS);
        assert_memory_not_equal(keys[0].name, before.name, TLS_TICKET_NAME_SIZE);
        assert_memory_not_equal(keys[0].cipher, before.cipher, TLS_TICKET_KEY_SIZE);
        assert_memory_not_equal(keys[0].cipher, keys[0].mac, TLS_TICKET_KEY_SIZE);
        before = keys[0];
    }
    ticket_key_ring_free(ring);
}

static void keys_there_and_back(void **state)
{
    static const char *const damaged[] = {"", "AAAA", "not base64!", NULL};
    struct tls_ticket_key key, again;
    struct text text = {0};

    (void)state;
    tls_ticket_key_make(&key, SECONDS, SECONDS);
    again = key;
    memset(&again, 0, offsetof(struct tls_ticket_key, encrypt_until));
    ticket_key_print(&key, &text);
    assert_true(ticket_key_parse(text.data, &again));
    assert_memory_equal(&key, &again, sizeof key);
    for (size_t i = 0; damaged[i] != NULL; i++)
        assert_false(ticket_key_parse(damaged[i], &again));
    text_append(&text, "AAAA");
    assert_false(ticket_key_parse(text.data, &again));
    text_wipe(&text);
}

static void sessions_found(void **state)
{
    struct session_store *store = session_store_new(10);

    (void)state;
    assert_null(session_store_find(store, "smtp", "a"));
    session_store_put(store, "smtp", "a", "session of a", SECONDS);
    session_store_put(store, "lmtp", "a", "another", SECONDS);
    assert_string_equal(session_store_find(store, "smtp", "a"), "session of a");
    assert_string_equal(session_store_find(store, "lmtp", "a"), "another");
    assert_null(session_store_find(store, "smtp", "b"));
    session_store_put(store, "smtp", "a", "newer", SECONDS);
    assert_string_equal(session_store_find(store, "smtp", "a"), "newer");
    assert_int_equal(session_store_count(store), 2);
    session_store_put(store, "smtp", "a", "", SECONDS);
    assert_null(session_store_find(store, "smtp", "a"));
    session_store_put(store, "smtp", "gone", "x", 0);
    assert_null(session_store_find(store, "smtp", "gone"));
    session_store_free(store);
}

static void last_used_stay(void **state)
{
    struct session_store *store = session_store_new(10);
    char id[16];

    (void)state;
    session_store_put(store, "smtp", "kept", "x", 60 * SECONDS);
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        session_store_put(store, "smtp", id, "x", 60 * SECONDS);
        assert_non_null(session_store_find(store, "smtp", "kept"));
    }
    assert_int_equal(session_store_count(store), 10);
    assert_non_null(session_store_find(store, "smtp", "99"));
    assert_null(session_store_find(store, "smtp", "5"));
    session_store_free(store);
}

static void server_names(void **state)
{
    static const char *const good[] = {"a", "mail.example.com", "xn--bcher-kva.example", "a_b.example", "1.example", NULL};
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "a b", "a\\", "a/b", "*.a", "\xc3\xa4", NULL};
    char label[70] = {0}, name[300] = {0};

    (void)state;
    for (size_t i = 0; good[i] != NULL; i++)
        assert_true(server_name_valid(good[i]));
    for (size_t i = 0; bad[i] != NULL; i++)
        assert_false(server_name_valid(bad[i]));
    memset(label, 'a', 63);
    assert_true(server_name_valid(label));
    memset(label, 'a', 64);
    assert_false(server_name_valid(label));
    for (size_t i = 0; i < 254; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    assert_false(server_name_valid(name));
    name[253] = '\0';
    assert_true(server_name_valid(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_for_all),  cmocka_unit_test(keys_renewed),   cmocka_unit_test(keys_there_and_back),
        cmocka_unit_test(sessions_found),   cmocka_unit_test(last_used_stay), cmocka_unit_test(server_names),
    };

    return cmocka_run_group_tests_name("tlsmgr", tests, NULL, NULL);
}
