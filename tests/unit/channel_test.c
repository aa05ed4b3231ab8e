/* Channels: many calls on one connection, and what happens when one end goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/in_task.h"
#include "util/base/memory.h"
#include "util/task/channel.h"
#include "util/task/stream.h"

enum { ECHO_MESSAGE = 7, BIG_BODY = 1000000 };

static void echo_call(struct call *call, void *context)
{
    struct frame frame;

    (void)context;
    while (call_receive(call, &frame, deadline_never()) == CALL_OK)
        assert_true(call_send(call, frame.message, frame.body, frame.length));
}

struct peer {
    int listener;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    struct channel_group group;
    bool ended;
};

static void accept_and_serve(void *argument)
{
    struct peer *peer = argument;

    assert_int_equal(task_wait_readable(peer->listener, deadline_never()), WAIT_READY);
    channel_serve(stream_new(accept(peer->listener, NULL, NULL)), "echo", 0, echo_call, NULL);
}

static void call_once(void *argument)
{
    struct call *call = call_open(argument);
    char *body = memory_new(BIG_BODY);
    struct frame frame;

    memset(body, (int)(channel_calls(argument) & 0x7f), BIG_BODY);
    assert_true(call_send(call, ECHO_MESSAGE, body, BIG_BODY));
    assert_true(call_send(call, ECHO_MESSAGE + 1, "short", 5));
    assert_int_equal(call_receive(call, &frame, deadline_in(60 * SECONDS)), CALL_OK);
    assert_int_equal(frame.message, ECHO_MESSAGE);
    assert_int_equal(frame.length, BIG_BODY);
    assert_memory_equal(frame.body, body, BIG_BODY);
    assert_int_equal(call_receive(call, &frame, deadline_in(60 * SECONDS)), CALL_OK);
    assert_memory_equal(frame.body, "short", 5);
    call_close(call);
    free(body);
}

static void call_many(void *argument)
{
    struct peer *peer = argument;
    struct channel *channel;
    struct error error;

    task_start(accept_and_serve, peer);
    channel = channel_connect(peer->path, "echo", deadline_in(60 * SECONDS), &error);
    assert_non_null(channel);
    for (int i = 0; i < 5; i++)
        task_start(call_once, channel);
    task_yield();
    while (channel_calls(channel) > 0)
        task_sleep(1 * MILLISECONDS);
    assert_true(channel_alive(channel));
    channel_close(channel);
    stop_when_alone(NULL);
}

static void serve_in_group(void *argument)
{
    struct peer *peer = argument;

    assert_int_equal(task_wait_readable(peer->listener, deadline_never()), WAIT_READY);
    channel_serve_in(&peer->group, stream_new(accept(peer->listener, NULL, NULL)), "echo", 0, echo_call, NULL);
    peer->ended = true;
}

static void ask(struct call *call)
{
    struct frame frame;

    assert_true(call_send(call, ECHO_MESSAGE, "question", 8));
    assert_int_equal(call_receive(call, &frame, deadline_in(60 * SECONDS)), CALL_OK);
    assert_memory_equal(frame.body, "question", 8);
    call_drop_frame(call); /* what comes next, or the end, does not mind */
    call_drop_frame(call);
}

/* Who opened first may speak last: it had to wait until there was room. */
static void speak_in_another_order(void *argument)
{
    struct peer *peer = argument;
    struct channel *channel;
    struct call *first, *second, *silent;
    struct error error;

    task_start(accept_and_serve, peer);
    channel = channel_connect(peer->path, "echo", deadline_in(60 * SECONDS), &error);
    assert_non_null(channel);
    first = call_open(channel);
    silent = call_open(channel);
    second = call_open(channel);
    ask(second);
    call_close(silent);
    ask(first);
    ask(first);
    call_close(first);
    call_close(second);
    channel_close(channel);
    stop_when_alone(NULL);
}

static void leave_during_call(void *argument)
{
    struct peer *peer = argument;
    struct channel *channel;
    struct call *call;
    struct error error;

    channel_group_init(&peer->group);
    task_start(serve_in_group, peer);
    channel = channel_connect(peer->path, "echo", deadline_in(60 * SECONDS), &error);
    assert_non_null(channel);
    call = call_open(channel);
    ask(call);
    channel_group_leave(&peer->group);
    while (channel_alive(channel))
        task_sleep(1 * MILLISECONDS);
    ask(call); /* what is open goes on */
    assert_false(peer->ended);
    call_close(call);
    while (!peer->ended) /* the channel is closed though its owner has not looked at it */
        task_sleep(1 * MILLISECONDS);
    channel_close(channel);
    stop_when_alone(NULL);
}

static void leave_idle(void *argument)
{
    struct peer *peer = argument;
    struct channel *channel;
    struct error error;

    channel_group_init(&peer->group);
    channel_group_leave(&peer->group); /* before the channel came */
    task_start(serve_in_group, peer);
    channel = channel_connect(peer->path, "echo", deadline_in(60 * SECONDS), &error);
    assert_non_null(channel);
    while (!peer->ended)
        task_sleep(1 * MILLISECONDS);
    assert_false(channel_alive(channel));
    channel_close(channel);
    stop_when_alone(NULL);
}

static void refuse_protocol(void *argument)
{
    struct peer *peer = argument;
    struct error error;

    task_start(accept_and_serve, peer);
    assert_null(channel_connect(peer->path, "other", deadline_in(60 * SECONDS), &error));
    stop_when_alone(NULL);
}

static void send_damage(void *argument)
{
    static const char damage[] = "postern echo 1\n\xff\xff\xff\xff\1\0\0\0\1\0\0\0";
    struct peer *peer = argument;
    int fd;
    char bytes[100];

    task_start(accept_and_serve, peer);
    fd = stream_connect_unix(peer->path, deadline_in(60 * SECONDS));
    assert_int_equal(write(fd, damage, sizeof damage - 1), sizeof damage - 1);
    while (task_wait_readable(fd, deadline_in(60 * SECONDS)) == WAIT_READY && read(fd, bytes, sizeof bytes) > 0)
        ;
    close(fd);
    stop_when_alone(NULL);
}

/* Goes on for a while after its caller has gone, and after the task that serves the channel was told so. */
static void slow_call(struct call *call, void *context)
{
    static const char body[100000];

    (void)context;
    for (int i = 0; i < 10; i++) {
        call_send(call, ECHO_MESSAGE, body, sizeof body);
        task_sleep(1 * MILLISECONDS);
    }
}

static void accept_and_serve_slowly(void *argument)
{
    struct peer *peer = argument;

    assert_int_equal(task_wait_readable(peer->listener, deadline_never()), WAIT_READY);
    channel_serve(stream_new(accept(peer->listener, NULL, NULL)), "echo", 0, slow_call, NULL);
}

static void leave_without_a_word(void *argument)
{
    static const char request[] = "postern echo 1\n\1\0\0\0\1\0\0\0\7\0\0\0x";
    struct peer *peer = argument;
    int fd;

    task_start(accept_and_serve_slowly, peer);
    fd = stream_connect_unix(peer->path, deadline_in(60 * SECONDS));
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    task_sleep(3 * MILLISECONDS);
    close(fd);
    stop_when_alone(NULL);
}

static void with_listener(task_fn *run)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[] = "/tmp/postern-unit-XXXXXX";
    struct peer peer = {.ended = false};

    assert_non_null(mkdtemp(directory));
    snprintf(peer.path, sizeof peer.path, "%s/socket", directory);
    strcpy(address.sun_path, peer.path);
    peer.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(peer.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(peer.listener, 10), 0);
    run_in_task(run, &peer);
    close(peer.listener);
    unlink(peer.path);
    rmdir(directory);
}

static void channel_carries_many_calls(void **unused)
{
    (void)unused;
    with_listener(call_many);
}

static void calls_speak_in_any_order(void **state)
{
    (void)state;
    with_listener(speak_in_another_order);
}

static void channel_leaves_after_its_calls(void **unused)
{
    (void)unused;
    with_listener(leave_during_call);
    with_listener(leave_idle);
}

static void channel_refuses_another_protocol(void **unused)
{
    (void)unused;
    with_listener(refuse_protocol);
}

static void channel_survives_damaged_frames(void **unused)
{
    (void)unused;
    with_listener(send_damage);
}

static void call_outlives_its_channel(void **unused)
{
    (void)unused;
    with_listener(leave_without_a_word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channel_carries_many_calls),
        cmocka_unit_test(calls_speak_in_any_order),
        cmocka_unit_test(channel_leaves_after_its_calls),
        cmocka_unit_test(call_outlives_its_channel),
        cmocka_unit_test(channel_refuses_another_protocol),
        cmocka_unit_test(channel_survives_damaged_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
