/* Tasks, conditions, offloaded work, streams and channels, over socket pairs and temporary sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/in_task.h"
#include "util/base/memory.h"
#include "util/task/offload.h"
#include "util/task/stream.h"

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

static void sleep_and_tell(void *argument)
{
    bool *awake = argument;

    task_sleep(1 * MILLISECONDS);
    *awake = true;
}

static void yield_until_told(void *argument)
{
    bool awake = false;

    (void)argument;
    task_start(sleep_and_tell, &awake);
    while (!awake)
        task_yield();
    stop_when_alone(NULL);
}

/* Who only ever yields does not keep the loop from its other events: it hung. */
static void yielding_lets_time_pass(void **unused)
{
    (void)unused;
    run_in_task(yield_until_told, NULL);
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
    stream_rest(stream);
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_OK);
    assert_string_equal(line.data, "one");
    assert_true(carriage_return);
    stream_rest(stream);
    assert_int_equal(stream_read_line(stream, &line, 9, &carriage_return), STREAM_OK);
    assert_string_equal(line.data, "two");
    assert_false(carriage_return);
    stream_rest(stream);
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

/* Small reads and large ones, which need no buffer, take turns; writes are of both kinds as well. */
static const size_t exact_sizes[] = {10, 60000, 7, 20000, 1, 16384, 16383, 0, 100000, 3};

static char pattern(size_t at)
{
    return (char)(at * 31 + at / 251);
}

static void write_patterns(void *argument)
{
    struct stream *stream = argument;
    size_t at = 0;

    for (size_t size = 1; at < 212788; size = size * 5 % 20011) {
        size_t length = size < 212788 - at ? size : 212788 - at;
        char *bytes = size % 2 == 0 ? stream_extend(stream, length) : memory_new(length);

        for (size_t i = 0; i < length; i++)
            bytes[i] = pattern(at++);
        if (size % 2 == 0)
            continue;
        assert_int_equal(stream_write(stream, bytes, length), STREAM_OK);
        free(bytes);
    }
    assert_int_equal(stream_flush(stream), STREAM_OK);
    stream_free(stream);
}

static void read_patterns(void *argument)
{
    int *pair = argument;
    struct stream *stream = stream_new(pair[0]);
    char *bytes = memory_new(100000);
    size_t at = 0;

    task_start(write_patterns, stream_new(pair[1]));
    for (size_t i = 0; i < sizeof exact_sizes / sizeof *exact_sizes; i++) {
        assert_int_equal(stream_read_exactly(stream, bytes, exact_sizes[i]), STREAM_OK);
        for (size_t j = 0; j < exact_sizes[i]; j++)
            assert_true(bytes[j] == pattern(at++));
    }
    assert_int_equal(stream_read_exactly(stream, bytes, 20000), STREAM_EOF);
    assert_int_equal(stream_read_exactly(stream, bytes, 20000), STREAM_EOF);
    free(bytes);
    stream_free(stream);
    stop_when_alone(NULL);
}

static void stream_reads_exactly(void **unused)
{
    int pair[2];

    (void)unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    run_in_task(read_patterns, pair);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_take_turns),
        cmocka_unit_test(cancelled_task_unwinds),
        cmocka_unit_test(wait_times_out),
        cmocka_unit_test(stack_is_deep_enough),
        cmocka_unit_test(offloaded_calls_all_run),
        cmocka_unit_test(yielding_lets_time_pass),
        cmocka_unit_test(stream_reads_lines),
        cmocka_unit_test(stream_carries_more_than_its_buffers),
        cmocka_unit_test(stream_reads_exactly),
        cmocka_unit_test(flood_ends_at_its_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
