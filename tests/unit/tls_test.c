/* TLS between two tasks: what is agreed, names that clients ask for, data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/tls_pair.h"

enum { LONG_BODY = 3 * 1000 * 1000 };

/* ---- what is agreed ---- */

static void agreed(void **state)
{
    struct both *both = *state;

    assert_met(both);
    assert_string_equal(both->server.peer.agreed, "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)");
    assert_string_equal(both->server.peer.details,
                        "key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256");
    assert_string_equal(both->client_side.peer.details, both->server.peer.details);
    assert_int_equal(both->server.peer.trust, TLS_ANONYMOUS);
    assert_int_equal(both->client_side.peer.trust, TLS_TRUSTED);
    assert_string_equal(both->client_side.peer.subject_cn, "cn.example");
    assert_string_equal(both->client_side.peer.issuer_cn, "Test CA");
    assert_string_equal(both->client_side.peer.subject, "/CN=cn.example");
    assert_false(both->server.peer.asked);
}

/* Both sides come to the same, and to something else the next time where the connection itself is bound. */
static void channel_bindings(void **state)
{
    struct both *both = *state;
    struct tls_peer before;

    for (int version = 0x0303; version <= 0x0304; version++) {
        both->client_side.handshake.protocols = (struct tls_protocols){.most = version};
        both->client_side.handshake.bind = both->server.handshake.bind = true;
        assert_met(both);
        before = both->server.peer;
        assert_int_equal(before.exporter_length, TLS_EXPORTER_SIZE);
        assert_memory_equal(before.exporter, both->client_side.peer.exporter, TLS_EXPORTER_SIZE);
        assert_int_equal(before.end_point_length, 32);
        assert_memory_equal(before.end_point, both->client_side.peer.end_point, 32);
        assert_met(both);
        assert_memory_not_equal(before.exporter, both->client_side.peer.exporter, TLS_EXPORTER_SIZE);
        assert_memory_equal(before.end_point, both->client_side.peer.end_point, 32);
    }
}

static void older_protocol(void **state)
{
    struct both *both = *state;

    both->server.handshake.protocols = (struct tls_protocols){.most = 0x0303};
    assert_met(both);
    assert_string_equal(both->server.peer.agreed, "TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)");
    assert_string_equal(both->server.peer.details, "");
}

static void no_common_protocol(void **state)
{
    struct both *both = *state;

    both->server.handshake.protocols = (struct tls_protocols){.most = 0x0303};
    both->client_side.handshake.protocols = (struct tls_protocols){.excluded = 1u << 3};
    meet(both);
    assert_int_equal(both->server.result, TLS_FAILED);
    assert_non_null(strstr(both->server.error.text, "error:0A"));
    assert_int_equal(both->client_side.result, TLS_FAILED);
}

/* ---- names that clients ask for ---- */

static struct tls_credentials *find(void *context, const char *name, bool *refuse)
{
    task_sleep(1 * MILLISECONDS);
    *refuse = strcmp(name, "refused.example") == 0;
    return strcmp(name, "other.example") == 0 ? context : NULL;
}

static void names_asked_for(void **state)
{
    struct both *both = *state;
    struct tls_credentials *credentials = credentials_of(&both->other, NULL);

    both->server.handshake.sni = find;
    both->server.handshake.sni_context = credentials;
    both->client_side.handshake.server_name = "other.example";
    assert_met(both);
    assert_string_equal(both->client_side.peer.subject_cn, "other.example");
    assert_string_equal(both->server.peer.server_name, "other.example");
    both->client_side.handshake.server_name = "unknown.example";
    assert_met(both);
    assert_string_equal(both->client_side.peer.subject_cn, "cn.example");
    assert_string_equal(both->server.peer.server_name, "");
    both->client_side.handshake.server_name = "refused.example";
    meet(both);
    assert_int_equal(both->server.result, TLS_FAILED);
    assert_non_null(strstr(both->client_side.error.text, "internal error"));
    both->client_side.handshake.server_name = NULL;
    assert_met(both);
    tls_credentials_free(credentials);
}

/* ---- data ---- */

static void send_long(void *argument)
{
    struct side *side = argument;
    char *body = memory_new(LONG_BODY);

    memset(body, 'x', LONG_BODY - 1);
    body[LONG_BODY - 1] = '\n';
    side->arena = arena_new();
    side->result = tls_connect(side->context, side->stream, &side->handshake, side->arena, &side->peer, &side->error);
    stream_write(side->stream, body, LONG_BODY);
    stream_flush(side->stream);
    free(body);
    stream_free(side->stream);
}

static void receive_long(void *argument)
{
    struct side *side = argument;

    side->arena = arena_new();
    side->result = tls_accept(side->context, side->stream, &side->handshake, side->arena, &side->peer, &side->error);
    assert_int_equal(stream_read_line(side->stream, &side->got, LONG_BODY, NULL), STREAM_OK);
    assert_int_equal(stream_read_line(side->stream, &side->session, LONG_BODY, NULL), STREAM_EOF);
    stream_free(side->stream);
}

static void run_long(void *argument)
{
    struct both *both = argument;
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    both->server.stream = stream_new(sockets[0]);
    both->client_side.stream = stream_new(sockets[1]);
    task_start(receive_long, &both->server);
    task_start(send_long, &both->client_side);
    stop_when_alone(NULL);
}

static void much_data(void **state)
{
    struct both *both = *state;

    run_in_task(run_long, both);
    assert_int_equal(both->server.result, TLS_OK);
    assert_int_equal(both->server.got.length, LONG_BODY - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agreed, begin, end),
        cmocka_unit_test_setup_teardown(channel_bindings, begin, end),
        cmocka_unit_test_setup_teardown(older_protocol, begin, end),
        cmocka_unit_test_setup_teardown(no_common_protocol, begin, end),
        cmocka_unit_test_setup_teardown(names_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(much_data, begin, end),
    };

    return cmocka_run_group_tests_name("TLS", tests, NULL, NULL);
}
