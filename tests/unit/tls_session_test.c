/* TLS sessions that are resumed, and those that must not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/tls_pair.h"

static void keep_session(void *context, const void *bytes, size_t length)
{
    struct text *session = context;

    text_clear(session);
    text_append_bytes(session, bytes, length);
}

static void resume(struct both *both, int version, bool resumed)
{
    struct side *client = &both->client_side;

    client->handshake.protocols = (struct tls_protocols){.most = version};
    client->handshake.session = NULL;
    client->handshake.new_session = keep_session;
    client->handshake.session_context = &client->session;
    text_clear(&client->session);
    assert_met(both);
    assert_false(client->peer.resumed);
    assert_true(client->session.length > 0);
    client->handshake.session = client->session.data;
    client->handshake.session_length = client->session.length;
    client->handshake.new_session = NULL;
    if (!resumed)
        return;
    assert_met(both);
    assert_true(client->peer.resumed);
    assert_true(both->server.peer.resumed);
    assert_string_equal(client->peer.subject_cn, "cn.example");
    assert_int_equal(client->peer.trust, TLS_TRUSTED);
}

static void sessions_resumed(void **state)
{
    resume(*state, 0x0304, true);
    resume(*state, 0x0303, true);
}

/* The same ticket keys, another service. */
static void not_elsewhere(void **state)
{
    struct both *both = *state;
    struct tls_settings settings = defaults;
    struct tls_credentials *credentials = credentials_of(&both->leaf, NULL);
    struct error error;

    resume(both, 0x0304, false);
    tls_context_free(both->server.context);
    settings.server = true;
    settings.tickets = both->tickets;
    settings.session_context = "elsewhere";
    both->server.context = tls_context_new(&settings, &error);
    tls_context_set_credentials(both->server.context, credentials);
    tls_credentials_free(credentials);
    assert_met(both);
    assert_false(both->client_side.peer.resumed);
}

static void ticket_keys_change(void **state)
{
    struct both *both = *state;
    struct tls_ticket_key keys[2];

    resume(both, 0x0304, false);
    assert_false(tls_tickets_missed(both->tickets));
    tls_ticket_key_make(&keys[0], 3600 * SECONDS, 3600 * SECONDS);
    tls_tickets_set(both->tickets, keys, 1);
    assert_met(both);
    assert_false(both->client_side.peer.resumed);
    assert_true(tls_tickets_missed(both->tickets));
    assert_false(tls_tickets_missed(both->tickets));
    keys[0].encrypt_until = 1;
    tls_tickets_set(both->tickets, keys, 1);
    assert_false(tls_tickets_current(both->tickets));
    text_clear(&both->client_side.session);
    both->client_side.handshake.new_session = keep_session;
    both->client_side.handshake.session_context = &both->client_side.session;
    assert_met(both); /* works without a ticket */
}

static void damaged_session(void **state)
{
    struct both *both = *state;

    both->client_side.handshake.session = "nonsense";
    both->client_side.handshake.session_length = 8;
    assert_met(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_resumed, begin, end),
        cmocka_unit_test_setup_teardown(not_elsewhere, begin, end),
        cmocka_unit_test_setup_teardown(ticket_keys_change, begin, end),
        cmocka_unit_test_setup_teardown(damaged_session, begin, end),
    };

    return cmocka_run_group_tests_name("TLS: sessions", tests, NULL, NULL);
}
