/* Tasks, conditions, offloaded work, streams and channels, over socket pairs and temporary sockets. */
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

#include "util/base/memory.h"
#include "util/task/channel.h"
#include "util/task/loop.h"
#include "util/task/offload.h"
#include "util/task/stream.h"
#include "util/task/task.h"

/* Runs one task to its end on a loop of its own. */
static void run_in_task(task_fn *run, void *argument)
{
    loop_start();
    task_start(run, argument);
    loop_run();
    assert_int_equal(task_count(), 0);
    loop_end();
}

static void stop_when_alone(void *unused)
{
    (void)unused;
    while (task_count() > 1)
        task_sleep(1 * MILLISECONDS);
    loop_stop();
}

/* ---- tasks ---- */

struct trace {
    char text[64];
    struct task_condition condition;
};

static void append_and_yield(void *argument)
{
    struct trace *trace = argument;

    strcat(trace->text, "a");
    task_yield();
    strcat(trace->text, "b");
}

static void interleave(void *argument)
{
    task_start(append_and_yield, argument);
    task_start(append_and_yield, argument);
    stop_when_alone(NULL);
}

static void tasks_take_turns(void **unused)
{
    struct trace trace = {.text = ""};

    (void)unused;
    run_in_task(interleave, &trace);
    assert_string_equal(trace.text, "aabb");
}

static void wait_forever(void *argument)
{
    struct trace *trace = argument;

    assert_int_equal(task_condition_wait(&trace->condition, deadline_never()), WAIT_CANCELLED);
    assert_int_equal(task_sleep(1000 * SECONDS), WAIT_CANCELLED);
    strcat(trace->text, "unwound");
}

static void cancel_it(void *argument)
{
    struct trace *trace = argument;
    struct task *task;

    task_condition_init(&trace->condition);
    task = task_start(wait_forever, trace);
    task_yield();
    task_cancel(task);
    stop_when_alone(NULL);
}

static void cancelled_task_unwinds(void **unused)
{
    struct trace trace = {.text = ""};

    (void)unused;
    run_in_task(cancel_it, &trace);
    assert_string_equal(trace.text, "unwound");
}

static void time_out(void *argument)
{
    struct trace *trace = argument;

    task_condition_init(&trace->condition);
    assert_int_equal(task_condition_wait(&trace->condition, deadline_in(2 * MILLISECONDS)), WAIT_TIMEOUT);
    assert_true(list_empty(&trace->condition.waiters));
    loop_stop();
}

static void wait_times_out(void **unused)
{
    struct trace trace = {.text = ""};

    (void)unused;
    run_in_task(time_out, &trace);
}

static int recurse(int depth)
{
    volatile char frame[1000];

    frame[0] = (char)depth;
    return depth == 0 ? frame[0] : recurse(depth - 1) + frame[0];
}

static void go_deep(void *argument)
{
    *(int *)argument = recurse(100);
    loop_stop();
}

/* PCRE2 and OpenSSL need some tens of KiB: 100 frames of 1,000 bytes must fit. */
static void stack_is_deep_enough(void **unused)
{
    int sum = 0;

    (void)unused;
    run_in_task(go_deep, &sum);
    assert_int_not_equal(sum, 0);
}

/* ---- offload ---- */

static void add_one(void *argument)
{
    usleep(1000);
    ++*(int *)argument;
}

static void offload_one(void *argument)
{
    offload_run(add_one, argument);
}

static void offload_many(void *argument)
{
    int *numbers = argument;

    for (int i = 0; i < 50; i++)
        task_start(offload_one, &numbers[i]);
    stop_when_alone(NULL);
}

static void offloaded_calls_all_run(void **unused)
{
    int numbers[50] = {0};

    (void)unused;
    run_in_task(offload_many, numbers);
    for (int i = 0; i < 50; i++)
        assert_int_equal(numbers[i], 1);
}

/* ---- streams ---- */

static void read_lines(void *argument)
{
    int *pair = argument;
    struct stream *stream = stream_new(pair[0]);
    struct text line = {0};
    bool carriage_return;

    assert_int_equal(write(pair[1], "one\r\ntwo\n123456789\r\nabcdefghijKLM\r\nrest", 39), 39);
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_OK);
    assert_string_equal(line.data, "one");
    assert_true(carriage_return);
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_OK);
    assert_string_equal(line.data, "two");
    assert_false(carriage_return);
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_OK);
    assert_string_equal(line.data, "123456789");
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_TOO_LONG);
    assert_string_equal(line.data, "abcdefghi");
    stream_set_timeout(stream, 2 * MILLISECONDS);
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_TIMEOUT);
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_TIMEOUT);
    stream_free(stream);
    text_free(&line);
    loop_stop();
}

static void stream_reads_lines(void **unused)
{
    int pair[2];

    (void)unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    run_in_task(read_lines, pair);
    close(pair[1]);
}

enum { MANY_BYTES = 3000000 };

static void write_many(void *argument)
{
    struct stream *stream = argument;
    char *bytes = memory_new(MANY_BYTES);

    memset(bytes, 'x', MANY_BYTES);
    assert_int_equal(stream_write(stream, bytes, MANY_BYTES), STREAM_OK);
    assert_int_equal(stream_flush(stream), STREAM_OK);
    free(bytes);
    stream_free(stream);
}

static void read_many(void *argument)
{
    int *pair = argument;
    struct stream *stream = stream_new(pair[0]);
    size_t total = 0, length;

    task_start(write_many, stream_new(pair[1]));
    while (stream_fill(stream, SIZE_MAX) == STREAM_OK) {
        stream_buffered(stream, &length);
        total += length;
        stream_consume(stream, length);
    }
    assert_int_equal(stream_status(stream), STREAM_EOF);
    assert_int_equal(total, MANY_BYTES);
    stream_free(stream);
    stop_when_alone(NULL);
}

static void stream_carries_more_than_its_buffers(void **unused)
{
    int pair[2];

    (void)unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    run_in_task(read_many, pair);
}

/* ---- channels ---- */

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

/* ---- a peer that never lets us wait ---- */

struct flood {
    struct stream *stream;
    enum stream_status status;
    int others; /* turns that another task got meanwhile */
    bool over;
};

static ssize_t read_zeros(void *state, void *bytes, size_t length, bool *crosswise)
{
    (void)state;
    *crosswise = false;
    memset(bytes, 0, length);
    return (ssize_t)length;
}

static void close_nothing(void *state)
{
    (void)state;
}

static int make_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    return fd;
}

static void read_flood(void *argument)
{
    struct flood *flood = argument;
    struct text line = {0};

    stream_set_deadline(flood->stream, deadline_in(300 * MILLISECONDS));
    flood->status = stream_read_line(flood->stream, &line, 100, NULL);
    flood->over = true;
    text_free(&line);
    stream_free(flood->stream);
}

static void count_turns(void *argument)
{
    struct flood *flood = argument;

    while (!flood->over) {
        flood->others++;
        task_sleep(1 * MILLISECONDS);
    }
    loop_stop();
}

static void flood_ends_at_its_deadline(void **state)
{
    struct flood flood = {0};
    const struct stream_transport endless = {read_zeros, NULL, close_nothing};

    (void)state;
    loop_start();
    flood.stream = stream_new(make_socket());
    stream_set_transport(flood.stream, &endless, NULL);
    task_start(read_flood, &flood);
    task_start(count_turns, &flood);
    loop_run();
    loop_end();
    assert_int_equal(flood.status, STREAM_TIMEOUT);
    assert_true(flood.others > 10);
}

static void call_outlives_its_channel(void **unused)
{
    (void)unused;
    with_listener(leave_without_a_word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_take_turns),
        cmocka_unit_test(cancelled_task_unwinds),
        cmocka_unit_test(wait_times_out),
        cmocka_unit_test(stack_is_deep_enough),
        cmocka_unit_test(offloaded_calls_all_run),
        cmocka_unit_test(stream_reads_lines),
        cmocka_unit_test(stream_carries_more_than_its_buffers),
        cmocka_unit_test(flood_ends_at_its_deadline),
        cmocka_unit_test(channel_carries_many_calls),
        cmocka_unit_test(channel_leaves_after_its_calls),
        cmocka_unit_test(call_outlives_its_channel),
        cmocka_unit_test(channel_refuses_another_protocol),
        cmocka_unit_test(channel_survives_damaged_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
