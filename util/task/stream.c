#include "util/task/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/base/memory.h"
#include "util/task/internal.h"

enum { SMALL_BUFFER = 16384, LARGE_BUFFER = 65536, WRITE_THRESHOLD = 16384, READS_A_TURN = 64 };

struct buffer {
    char *data;
    size_t start, end, capacity;
};

struct stream {
    int fd;
    struct task_watch *watch;
    struct buffer in;
    struct text out;
    duration timeout;
    struct deadline deadline;
    enum stream_status status;
    int error;
    unsigned reads_in_a_row; /* without a wait between them */
    enum {KIND_UNKNOWN, KIND_SOCKET, KIND_OTHER} kind;
    bool drained; /* the last read took all there was */
    const struct stream_transport *transport;
    void *transport_state;
};

/* ---- buffers ----
 * A stream gives its buffer back whenever it waits, and takes one when something has come: a few are kept at hand for
 * all streams of the process. */

enum { SPARE_BUFFERS = 16 };

static struct {
    char *spare[SPARE_BUFFERS];
    int count;
} buffers;

static char *small_buffer_take(void)
{
    return buffers.count > 0 ? buffers.spare[--buffers.count] : memory_resize(NULL, SMALL_BUFFER);
}

static void buffer_discard(struct buffer *buffer)
{
    if (buffer->capacity == SMALL_BUFFER && buffers.count < SPARE_BUFFERS)
        buffers.spare[buffers.count++] = buffer->data;
    else
        free(buffer->data);
    *buffer = (struct buffer){0};
}

void stream_buffers_end(void)
{
    while (buffers.count > 0)
        free(buffers.spare[--buffers.count]);
}

/* ---- life ---- */

struct stream *stream_new(int fd)
{
    struct stream *stream = memory_new(sizeof *stream);
    int flags = fcntl(fd, F_GETFL);

    if ((flags & O_NONBLOCK) == 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    stream->fd = fd;
    stream->watch = task_watch_new(fd);
    stream->timeout = INT64_MAX;
    stream->deadline = deadline_never();
    return stream;
}

int stream_detach(struct stream *stream)
{
    int fd = stream->fd;

    if (stream->transport != NULL)
        stream->transport->close(stream->transport_state);
    task_watch_free(stream->watch);
    buffer_discard(&stream->in);
    text_free(&stream->out);
    free(stream);
    return fd;
}

void stream_free(struct stream *stream)
{
    if (stream != NULL)
        close(stream_detach(stream));
}

int stream_fd(const struct stream *stream)
{
    return stream->fd;
}

void stream_set_timeout(struct stream *stream, duration per_operation)
{
    stream->timeout = per_operation;
}

void stream_set_deadline(struct stream *stream, struct deadline deadline)
{
    stream->deadline = deadline;
}

enum stream_status stream_status(const struct stream *stream)
{
    return stream->status;
}

int stream_error(const struct stream *stream)
{
    return stream->error;
}

static struct deadline operation_deadline(const struct stream *stream)
{
    if (stream->timeout == INT64_MAX)
        return stream->deadline;
    return deadline_earlier(deadline_in(stream->timeout), stream->deadline);
}

enum stream_status stream_fail(struct stream *stream, enum stream_status status, int error)
{
    stream->status = status;
    stream->error = error;
    return status;
}

/* Waits until a system call that said EAGAIN is worth another try. */
enum stream_status stream_wait(struct stream *stream, bool for_reading, struct deadline deadline)
{
    enum wait_result result = for_reading ? task_watch_wait_readable(stream->watch, deadline)
                                          : task_watch_wait_writable(stream->watch, deadline);

    if (result == WAIT_TIMEOUT)
        return stream_fail(stream, STREAM_TIMEOUT, ETIMEDOUT);
    if (result == WAIT_CANCELLED)
        return stream_fail(stream, STREAM_CANCELLED, ECANCELED);
    return STREAM_OK;
}

/* ---- reading ---- */

/* A buffer that was filled to its end last time becomes a larger one, for those who send much. */
static void buffer_make_room(struct buffer *buffer)
{
    size_t used = buffer->end - buffer->start;
    bool was_full = buffer->end == buffer->capacity;
    struct buffer larger;

    if (buffer->capacity == 0) {
        *buffer = (struct buffer){.data = small_buffer_take(), .capacity = SMALL_BUFFER};
    } else if (used == buffer->capacity || (was_full && buffer->capacity < LARGE_BUFFER)) {
        larger = (struct buffer){.end = used, .capacity = buffer->capacity * 4};
        larger.data = memory_resize(NULL, larger.capacity);
        memcpy(larger.data, buffer->data + buffer->start, used);
        buffer_discard(buffer);
        *buffer = larger;
    } else if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, used);
        buffer->start = 0;
        buffer->end = used;
    }
}

static void buffer_release(struct buffer *buffer)
{
    if (buffer->start == buffer->end)
        buffer_discard(buffer);
}

void stream_rest(struct stream *stream)
{
    buffer_release(&stream->in);
}

static ssize_t read_some(struct stream *stream, void *bytes, size_t length, bool *crosswise)
{
    *crosswise = false;
    if (stream->transport != NULL)
        return stream->transport->read(stream->transport_state, bytes, length, crosswise);
    return read(stream->fd, bytes, length);
}

/* A read that brings less than it could leaves nothing behind: the next one may wait for word of more. Of a pipe
 * that would not do, since its end comes without a word of its own. */
static void note_drained(struct stream *stream, bool all)
{
    int type;
    socklen_t length = sizeof type;

    if (stream->kind == KIND_UNKNOWN)
        stream->kind =
            getsockopt(stream->fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 ? KIND_SOCKET : KIND_OTHER;
    stream->drained = all && stream->kind == KIND_SOCKET && stream->transport == NULL;
}

static bool must_wait_first(struct stream *stream)
{
    bool drained = stream->drained;

    stream->drained = false;
    return drained && !task_watch_closed(stream->watch);
}

/* A peer that sends faster than we read never makes us wait: let the others have their turn, and look at the clock. */
static enum stream_status take_turns(struct stream *stream, struct deadline deadline)
{
    if (++stream->reads_in_a_row < READS_A_TURN)
        return STREAM_OK;
    stream->reads_in_a_row = 0;
    if (deadline_passed(deadline))
        return stream_fail(stream, STREAM_TIMEOUT, ETIMEDOUT);
    return task_sleep(0) == WAIT_READY ? STREAM_OK : stream_fail(stream, STREAM_CANCELLED, ECANCELED);
}

/* Reads what there is, at least a byte, to where the caller wants it, or behind what is buffered when that is NULL. */
static enum stream_status read_more(struct stream *stream, char *to, size_t room, size_t *taken,
                                    struct deadline deadline)
{
    struct buffer *in = &stream->in;
    bool buffered = to == NULL;

    *taken = 0;
    for (;;) {
        bool crosswise;
        ssize_t got;

        if (must_wait_first(stream)) {
            buffer_release(in);
            stream->reads_in_a_row = 0;
            if (stream_wait(stream, true, deadline) != STREAM_OK)
                return stream->status;
        }
        if (buffered) {
            buffer_make_room(in);
            to = in->data + in->end;
            room = in->capacity - in->end;
        }
        got = read_some(stream, to, room, &crosswise);
        if (got > 0) {
            note_drained(stream, (size_t)got < room);
            *taken = (size_t)got;
            return take_turns(stream, deadline);
        }
        if (got == 0)
            return stream_fail(stream, STREAM_EOF, 0);
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return stream_fail(stream, STREAM_FAILED, errno);
        buffer_release(in);
        stream->reads_in_a_row = 0;
        if (stream_wait(stream, !crosswise, deadline) != STREAM_OK)
            return stream->status;
    }
}

static enum stream_status fill_until(struct stream *stream, size_t limit, struct deadline deadline)
{
    size_t got;
    enum stream_status status;

    if (stream->status != STREAM_OK)
        return stream->status;
    if (stream->in.end - stream->in.start >= limit)
        return STREAM_TOO_LONG;
    status = read_more(stream, NULL, 0, &got, deadline);
    stream->in.end += got;
    return status;
}

const char *stream_buffered(const struct stream *stream, size_t *length)
{
    *length = stream->in.end - stream->in.start;
    return stream->in.data + stream->in.start;
}

void stream_consume(struct stream *stream, size_t length)
{
    assert(length <= stream->in.end - stream->in.start);
    stream->in.start += length;
}

enum stream_status stream_fill(struct stream *stream, size_t limit)
{
    return fill_until(stream, limit, operation_deadline(stream));
}

/* What a transport has ready; its end and its errors are met again by the next read. */
static bool fill_now(struct stream *stream)
{
    struct buffer *in = &stream->in;
    bool crosswise;
    ssize_t got;

    if (stream->status != STREAM_OK)
        return false;
    buffer_make_room(in);
    got = read_some(stream, in->data + in->end, in->capacity - in->end, &crosswise);
    if (got > 0)
        in->end += (size_t)got;
    else
        buffer_release(in);
    return got > 0;
}

bool stream_has_input(struct stream *stream)
{
    char byte;

    if (stream->in.start < stream->in.end)
        return true;
    if (stream->transport != NULL)
        return fill_now(stream);
    return recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Appends what comes before `end` to text, at most limit bytes of it, and consumes it with the end. */
static enum stream_status read_until(struct stream *stream, struct text *text, size_t limit, char end)
{
    struct deadline deadline = operation_deadline(stream);
    bool cut = false;

    text_clear(text);
    for (;;) {
        struct buffer *in = &stream->in;
        size_t have = in->end - in->start, room = limit - text->length, take;
        const char *found = have > 0 ? memchr(in->data + in->start, end, have) : NULL;

        take = found != NULL ? (size_t)(found - (in->data + in->start)) : have;
        cut = cut || take > room;
        text_append_bytes(text, in->data + in->start, take < room ? take : room);
        in->start += take + (found != NULL);
        if (found != NULL)
            return cut ? STREAM_TOO_LONG : STREAM_OK;
        if (fill_until(stream, SIZE_MAX, deadline) != STREAM_OK)
            return stream->status;
    }
}

enum stream_status stream_read_line(struct stream *stream, struct text *line, size_t limit, bool *carriage_return)
{
    /* One more than the limit, so that the CR of a line of just that length is not what makes it too long. */
    enum stream_status status = read_until(stream, line, limit + 1, '\n');
    bool with_return = status == STREAM_OK && line->length > 0 && line->data[line->length - 1] == '\r';

    if (with_return)
        text_truncate(line, line->length - 1);
    if (carriage_return != NULL)
        *carriage_return = with_return;
    if (line->length <= limit)
        return status;
    text_truncate(line, limit);
    return status == STREAM_OK ? STREAM_TOO_LONG : status;
}

enum stream_status stream_read_string(struct stream *stream, struct text *string, size_t limit)
{
    return read_until(stream, string, limit, '\0');
}

enum stream_status stream_read_exactly(struct stream *stream, void *bytes, size_t length)
{
    struct deadline deadline = operation_deadline(stream);
    char *to = bytes;

    while (length > 0) {
        struct buffer *in = &stream->in;
        size_t have = in->end - in->start, take = have < length ? have : length;

        if (take > 0) {
            memcpy(to, in->data + in->start, take);
            in->start += take;
            to += take;
            length -= take;
        } else if (length >= SMALL_BUFFER && stream->status == STREAM_OK) { /* needs no buffer between */
            enum stream_status status = read_more(stream, to, length, &take, deadline);

            to += take;
            length -= take;
            if (status != STREAM_OK)
                return status;
        } else if (fill_until(stream, SIZE_MAX, deadline) != STREAM_OK) {
            return stream->status;
        }
    }
    return STREAM_OK;
}

/* ---- writing ---- */

static enum stream_status write_out(struct stream *stream, const char *bytes, size_t length, struct deadline deadline)
{
    while (length > 0) {
        bool crosswise = false;
        ssize_t done = stream->transport != NULL
                           ? stream->transport->write(stream->transport_state, bytes, length, &crosswise)
                           : write(stream->fd, bytes, length);

        if (done > 0) {
            bytes += done;
            length -= (size_t)done;
        } else if (errno == EAGAIN) {
            if (stream_wait(stream, crosswise, deadline) != STREAM_OK)
                return stream->status;
        } else if (errno != EINTR) {
            return stream_fail(stream, STREAM_FAILED, errno);
        }
    }
    return STREAM_OK;
}

enum stream_status stream_flush(struct stream *stream)
{
    if (stream->status != STREAM_OK && stream->status != STREAM_EOF)
        return stream->status;
    if (stream->out.length > 0) {
        if (write_out(stream, stream->out.data, stream->out.length, operation_deadline(stream)) != STREAM_OK)
            return stream->status;
        text_free(&stream->out);
    }
    return STREAM_OK;
}

enum stream_status stream_write(struct stream *stream, const void *bytes, size_t length)
{
    if (stream->out.length + length >= WRITE_THRESHOLD && stream_flush(stream) != STREAM_OK)
        return stream->status;
    if (length >= WRITE_THRESHOLD)
        return write_out(stream, bytes, length, operation_deadline(stream));
    text_append_bytes(&stream->out, bytes, length);
    return STREAM_OK;
}

char *stream_extend(struct stream *stream, size_t length)
{
    struct text *out = &stream->out;

    if (out->length + length >= WRITE_THRESHOLD && stream_flush(stream) != STREAM_OK)
        return NULL;
    if (out->capacity - out->length <= length) /* all that it may hold, not doubling after doubling */
        text_reserve(out, length < WRITE_THRESHOLD ? WRITE_THRESHOLD - 1 - out->length : length);
    out->length += length;
    out->data[out->length] = '\0';
    return out->data + out->length - length;
}

enum stream_status stream_print(struct stream *stream, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_append_format_list(&stream->out, format, arguments);
    va_end(arguments);
    return stream->out.length >= WRITE_THRESHOLD ? stream_flush(stream) : STREAM_OK;
}

size_t stream_unflushed(const struct stream *stream)
{
    return stream->out.length;
}

void stream_set_transport(struct stream *stream, const struct stream_transport *transport, void *state)
{
    if (stream->transport != NULL)
        stream->transport->close(stream->transport_state);
    stream->in.start = stream->in.end;
    buffer_release(&stream->in);
    stream->drained = false; /* what is there to read is another question now */
    stream->transport = transport;
    stream->transport_state = state;
}

bool stream_has_transport(const struct stream *stream)
{
    return stream->transport != NULL;
}
