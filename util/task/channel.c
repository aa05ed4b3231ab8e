#include "util/task/channel_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/base/list.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum {
    HEADER_SIZE = 12,
    GREETING_LIMIT = 100,
    GREETING_SECONDS = 30,
};

static uint32_t get_little_endian(const unsigned char *bytes, int count)
{
    uint32_t value = 0;

    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static void put_little_endian(unsigned char *bytes, int count, uint32_t value)
{
    for (int i = 0; i < count; i++, value >>= 8)
        bytes[i] = (unsigned char)value;
}

/* ---- life ---- */

static struct channel *channel_new(struct stream *stream, const char *protocol)
{
    struct channel *channel = memory_new(sizeof *channel);

    channel->stream = stream;
    channel->protocol = memory_copy_string(protocol);
    task_condition_init(&channel->work);
    task_condition_init(&channel->room);
    task_condition_init(&channel->drained);
    task_condition_init(&channel->quiet);
    list_init(&channel->calls);
    channel->users = 1;
    return channel;
}

void channel_release(struct channel *channel)
{
    if (--channel->users > 0 || !list_empty(&channel->calls))
        return;
    stream_free(channel->stream);
    free(channel->protocol);
    text_free(&channel->out);
    text_free(&channel->sending);
    free(channel);
}

/* Everybody who waits for something of this channel finds out. */
static void channel_break(struct channel *channel)
{
    channel->broken = true;
    if (channel->leaving)
        shutdown(stream_fd(channel->stream), SHUT_RDWR); /* whoever owns the channel may not look at it for long */
    list_each (position, following, &channel->calls)
        task_condition_wake_all(&list_entry(position, struct call, link)->arrived);
    task_condition_wake_all(&channel->work);
    task_condition_wake_all(&channel->room);
    task_condition_wake_all(&channel->drained);
}

/* ---- writing ---- */

void channel_append_frame(struct channel *channel, uint32_t call, uint16_t message, uint16_t flags, const void *body,
                          size_t length)
{
    unsigned char header[HEADER_SIZE];

    put_little_endian(header, 4, (uint32_t)length);
    put_little_endian(header + 4, 4, call);
    put_little_endian(header + 8, 2, message);
    put_little_endian(header + 10, 2, flags);
    text_append_bytes(&channel->out, header, sizeof header);
    text_append_bytes(&channel->out, body, length);
}

void channel_wake_writer(struct channel *channel)
{
    task_condition_wake_one(&channel->work);
}

/* The writer runs after the tasks that were runnable when it was woken, so that their frames leave together. */
static void channel_write_task(void *argument)
{
    struct channel *channel = argument;

    while (!channel->broken) {
        struct text empty;

        if (channel->out.length == 0) {
            if (channel->leaving && list_empty(&channel->calls))
                break;
            if (task_condition_wait(&channel->work, deadline_never()) != WAIT_READY)
                break;
            continue;
        }
        empty = channel->sending;
        channel->sending = channel->out;
        channel->out = empty;
        log_flush(); /* whoever hears of it next may log what follows from it */
        if (stream_write(channel->stream, channel->sending.data, channel->sending.length) != STREAM_OK ||
            stream_flush(channel->stream) != STREAM_OK)
            break;
        if (channel->sending.capacity > WAITING_OUT_LIMIT)
            text_free(&channel->sending);
        else
            text_clear(&channel->sending);
        task_condition_wake_all(&channel->room);
    }
    channel->writer = NULL;
    channel_break(channel);
    shutdown(stream_fd(channel->stream), SHUT_RDWR); /* the reader sees an end, and waits for calls under way */
    channel_release(channel);
}

static void start_writer(struct channel *channel)
{
    channel->users++;
    channel->writer = task_start(channel_write_task, channel);
}

/* ---- reading ---- */

static struct call *find_call(const struct channel *channel, uint32_t number)
{
    list_each (position, following, &channel->calls)
        if (list_entry(position, struct call, link)->number == number)
            return list_entry(position, struct call, link);
    return NULL;
}

struct call *channel_add_call(struct channel *channel, uint32_t number)
{
    struct call *call = memory_new(sizeof *call);

    call->channel = channel;
    call->number = number;
    list_init(&call->frames);
    task_condition_init(&call->arrived);
    list_append(&channel->calls, &call->link);
    return call;
}

static void serve_call_task(void *argument)
{
    struct call *call = argument;
    struct channel *channel = call->channel;
    bool ready;

    channel->users++; /* the task that serves the channel may be cancelled before this one ends */
    ready = !channel->limited || task_semaphore_take(&channel->slots, deadline_never()) == WAIT_READY;
    if (ready) {
        channel->serve(call, channel->context);
        if (channel->limited)
            task_semaphore_give(&channel->slots);
    }
    call_close(call);
    task_condition_wake_all(&channel->quiet);
    channel_release(channel);
}

static void say_goodbye(struct channel *channel)
{
    channel_append_frame(channel, 0, 0, FRAME_GOODBYE, NULL, 0);
    channel_wake_writer(channel);
}

/* On the calling side: the writer closes the channel when no call is open any more. */
static void hear_goodbye(struct channel *channel)
{
    if (channel->serve != NULL)
        return;
    channel->leaving = true;
    channel_wake_writer(channel);
}

/* The call that a frame belongs to; NULL when it has ended here, or cannot be. */
static struct call *call_for_frame(struct channel *channel, uint32_t number)
{
    struct call *call = find_call(channel, number);

    if (call != NULL || channel->serve == NULL || number <= channel->last_call)
        return call;
    channel->last_call = number;
    call = channel_add_call(channel, number);
    task_start(serve_call_task, call);
    return call;
}

static bool read_frame(struct channel *channel)
{
    unsigned char header[HEADER_SIZE];
    struct queued_frame *frame;
    struct call *call;
    size_t length;
    uint32_t number;

    if (stream_read_exactly(channel->stream, header, sizeof header) != STREAM_OK)
        return false;
    length = get_little_endian(header, 4);
    number = get_little_endian(header + 4, 4);
    if (length > CHANNEL_BODY_LIMIT) {
        log_warning(NULL, "%s: damaged frame of %zu bytes: closing the channel", channel->protocol, length);
        return false;
    }
    frame = memory_resize(NULL, sizeof *frame + length);
    frame->message = (uint16_t)get_little_endian(header + 8, 2);
    frame->length = length;
    if (stream_read_exactly(channel->stream, frame->body, length) != STREAM_OK) {
        free(frame);
        return false;
    }
    if (number == 0 && (get_little_endian(header + 10, 2) & FRAME_GOODBYE) != 0)
        hear_goodbye(channel);
    call = call_for_frame(channel, number);
    while (call != NULL && call->waiting_bytes > WAITING_IN_LIMIT) {
        if (task_condition_wait(&channel->drained, deadline_never()) != WAIT_READY || channel->broken)
            call = NULL;
        else
            call = find_call(channel, number);
    }
    if (call == NULL || frame->message == 0) {
        free(frame);
    } else {
        list_append(&call->frames, &frame->link);
        call->waiting_bytes += length;
    }
    if (call != NULL && (get_little_endian(header + 10, 2) & FRAME_LAST) != 0)
        call->peer_ended = true;
    if (call != NULL)
        task_condition_wake_one(&call->arrived);
    return !channel->broken;
}

/* Both sides greet; what does not match is a configuration or installation error and is logged. */
static bool exchange_greetings(struct channel *channel)
{
    struct text line = {0};
    char *expected = memory_format("postern %s 1", channel->protocol);
    bool good;

    stream_set_deadline(channel->stream, deadline_in(GREETING_SECONDS * SECONDS));
    good = stream_print(channel->stream, "%s\n", expected) == STREAM_OK && stream_flush(channel->stream) == STREAM_OK &&
           stream_read_line(channel->stream, &line, GREETING_LIMIT, NULL) == STREAM_OK;
    if (good && !string_equal(text_string(&line), expected)) {
        log_warning(NULL, "%s: the peer speaks another protocol: \"%s\"", channel->protocol, text_string(&line));
        good = false;
    }
    stream_set_deadline(channel->stream, deadline_never());
    text_free(&line);
    free(expected);
    return good;
}

static void channel_read_task(void *argument)
{
    struct channel *channel = argument;

    while (read_frame(channel))
        ;
    channel->reader = NULL;
    channel_break(channel);
    channel_release(channel);
}

struct channel *channel_connect(const char *path, const char *protocol, struct deadline deadline, struct error *error)
{
    int fd = stream_connect_unix(path, deadline);
    struct channel *channel;

    if (fd < 0) {
        error_set(error, "connect to %s: %s", path, strerror(errno));
        return NULL;
    }
    channel = channel_new(stream_new(fd), protocol);
    if (!exchange_greetings(channel)) {
        error_set(error, "connect to %s: the service did not answer as expected", path);
        channel_release(channel);
        return NULL;
    }
    start_writer(channel);
    channel->users++;
    channel->reader = task_start(channel_read_task, channel);
    return channel;
}

void channel_close(struct channel *channel)
{
    if (channel->leaving && !channel->broken) { /* it closes itself */
        channel_release(channel);
        return;
    }
    channel_break(channel);
    if (channel->reader != NULL)
        task_cancel(channel->reader);
    if (channel->writer != NULL)
        task_cancel(channel->writer);
    channel_release(channel);
}

bool channel_alive(const struct channel *channel)
{
    return !channel->broken && !channel->leaving;
}

size_t channel_calls(const struct channel *channel)
{
    return channel->calls.count;
}

void channel_group_init(struct channel_group *group)
{
    list_init(&group->channels);
    group->leaving = false;
}

void channel_group_leave(struct channel_group *group)
{
    if (group->leaving)
        return;
    group->leaving = true;
    list_each (position, following, &group->channels)
        say_goodbye(list_entry(position, struct channel, link));
}

static void join(struct channel_group *group, struct channel *channel)
{
    list_append(&group->channels, &channel->link);
    if (group->leaving)
        say_goodbye(channel);
}

void channel_serve(struct stream *stream, const char *protocol, long limit, channel_serve_fn *serve, void *context)
{
    struct channel_group alone;

    channel_group_init(&alone);
    channel_serve_in(&alone, stream, protocol, limit, serve, context);
}

void channel_serve_in(struct channel_group *group, struct stream *stream, const char *protocol, long limit,
                      channel_serve_fn *serve, void *context)
{
    struct channel *channel = channel_new(stream, protocol);

    channel->serve = serve;
    channel->context = context;
    channel->limited = limit > 0;
    task_semaphore_init(&channel->slots, limit);
    if (exchange_greetings(channel)) {
        start_writer(channel);
        channel->reader = task_current();
        join(group, channel);
        while (read_frame(channel))
            ;
        list_remove(&group->channels, &channel->link);
        channel->reader = NULL;
    }
    channel_break(channel);
    /* A call that is under way finishes; its caller cannot hear it any more. */
    while (!list_empty(&channel->calls) && task_condition_wait(&channel->quiet, deadline_never()) == WAIT_READY)
        ;
    channel_release(channel);
}
