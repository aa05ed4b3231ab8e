/* TLS with peers that do not play along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/wait.h>

#include "tests/unit/tls_pair.h"

struct rude {
    struct both *both;
    const char *bytes; /* what it says instead of a handshake */
    bool close, half_close;
    duration patience;
};

static void run_rude(void *argument)
{
    struct rude *rude = argument;
    struct side *server = &rude->both->server;
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    server->stream = stream_new(sockets[0]);
    server->arena = arena_new();
    server->handshake.deadline = deadline_in(rude->patience);
    assert_true(write(sockets[1], rude->bytes, strlen(rude->bytes)) >= 0);
    if (rude->half_close)
        shutdown(sockets[1], SHUT_WR);
    if (rude->close)
        close(sockets[1]);
    server->result = tls_accept(server->context, server->stream, &server->handshake, server->arena, &server->peer,
                                &server->error);
    assert_int_not_equal(stream_status(server->stream), STREAM_OK);
    stream_free(server->stream);
    if (!rude->close)
        close(sockets[1]);
    loop_stop();
}

static enum tls_result be_rude(void **state, struct rude rude)
{
    rude.both = *state;
    if (rude.patience == 0)
        rude.patience = 60 * SECONDS;
    run_in_task(run_rude, &rude);
    return rude.both->server.result;
}

static void garbage(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "MAIL FROM:<me>\r\n"}), TLS_FAILED);
}

static void closed(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "", .close = true}), TLS_LOST);
}

static void half_closed(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "\x16\x03\x01\x02", .half_close = true}), TLS_LOST);
}

static void silent(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "\x16\x03\x01\x02", .patience = 50 * MILLISECONDS}), TLS_TIMEOUT);
}

/* What stood in the buffer before the handshake is not read after it. */
static void injected(void *argument)
{
    struct both *both = argument;
    int sockets[2];
    size_t length;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    both->server.stream = stream_new(sockets[0]);
    both->client_side.stream = stream_new(sockets[1]);
    assert_int_equal(write(sockets[1], "STARTTLS\r\nRSET\r\n", 16), 16);
    assert_int_equal(stream_read_line(both->server.stream, &both->server.got, 100, NULL), STREAM_OK);
    stream_buffered(both->server.stream, &length);
    assert_int_equal(length, 6);
    task_start(run_server, &both->server);
    task_start(run_client, &both->client_side);
    stop_when_alone(NULL);
}

static void injection(void **state)
{
    struct both *both = *state;

    run_in_task(injected, both);
    assert_int_equal(both->server.result, TLS_OK);
    assert_string_equal(text_string(&both->server.got), "EHLO here");
}

/* A client that speaks as soon as it may: its last handshake message and its first line come at once, and it waits for the
 * answer. */
static void answer_line(void *argument)
{
    struct side *side = argument;

    side->arena = arena_new();
    stream_set_timeout(side->stream, 5 * SECONDS);
    assert_int_equal(stream_read_line(side->stream, &side->got, 100, NULL), STREAM_OK);
    side->result = tls_accept(side->context, side->stream, &side->handshake, side->arena, &side->peer, &side->error);
    stream_read_line(side->stream, &side->got, 1000, NULL);
    stream_print(side->stream, "%s", side->say);
    stream_flush(side->stream);
    stream_free(side->stream);
}

static void speak_at_once(void *argument)
{
    struct both *both = argument;
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    both->server.stream = stream_new(sockets[0]);
    both->client_side.stream = stream_new(sockets[1]);
    assert_int_equal(write(sockets[1], "STARTTLS\r\n", 10), 10);
    task_start(answer_line, &both->server);
    task_start(run_client, &both->client_side);
    stop_when_alone(NULL);
}

static void no_line_is_missed(void **state)
{
    struct both *both = *state;

    run_in_task(speak_at_once, both);
    assert_int_equal(both->server.result, TLS_OK);
    assert_string_equal(text_string(&both->server.got), "EHLO here");
    assert_string_equal(text_string(&both->client_side.got), "220 hello");
}

/* ---- a peer that keeps us busy ---- */

enum { KEY_UPDATES = 1000000 };

/* In a process of its own, since it never waits: changes its keys again and again, and says nothing. */
static void update_keys(int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    bool going = true;

    SSL_set_fd(ssl, fd);
    going = SSL_connect(ssl) == 1;
    for (int i = 0; going && i < KEY_UPDATES; i++)
        going = SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1;
    _exit(going ? 1 : 0); /* 0: it was cut off */
}

struct flood {
    struct both *both;
    bool over;
    long turns; /* of somebody else, meanwhile */
};

static void take_turns(void *argument)
{
    struct flood *flood = argument;

    while (!flood->over) {
        flood->turns++;
        task_sleep(0);
    }
}

static void be_flooded(void *argument)
{
    struct flood *flood = argument;
    struct side *server = &flood->both->server;
    int sockets[2], status;
    long before;
    pid_t child;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    child = fork();
    if (child == 0) {
        close(sockets[0]);
        update_keys(sockets[1]);
    }
    close(sockets[1]);
    server->stream = stream_new(sockets[0]);
    server->arena = arena_new();
    server->result = tls_accept(server->context, server->stream, &server->handshake, server->arena, &server->peer,
                                &server->error);
    assert_int_equal(server->result, TLS_OK);
    before = flood->turns;
    assert_int_equal(stream_read_line(server->stream, &server->got, 100, NULL), STREAM_FAILED);
    assert_true(flood->turns - before >= 10);
    stream_free(server->stream);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    flood->over = true;
    task_sleep(0);
    loop_stop();
}

static void start_flood(void *argument)
{
    task_start(take_turns, argument);
    be_flooded(argument);
}

static void endless_key_updates(void **state)
{
    struct flood flood = {.both = *state};

    run_in_task(start_flood, &flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(garbage, begin, end),
        cmocka_unit_test_setup_teardown(closed, begin, end),
        cmocka_unit_test_setup_teardown(half_closed, begin, end),
        cmocka_unit_test_setup_teardown(silent, begin, end),
        cmocka_unit_test_setup_teardown(injection, begin, end),
        cmocka_unit_test_setup_teardown(no_line_is_missed, begin, end),
        cmocka_unit_test_setup_teardown(endless_key_updates, begin, end),
    };

    return cmocka_run_group_tests_name("TLS: hostile peers", tests, NULL, NULL);
}
