#include "mail/queue/message_writer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/queue/queue.h"
#include "util/base/memory.h"

enum {
    FLUSH_SIZE = 64 * 1024,
    SIZE_RECORD_DATA = 6 * 15 + 5,
    FIRST_ROOM = 12 * 1024,
    USUAL_ATTRIBUTE = 120,
    HEAD_ROOM = 8, /* for a record's type and length, and a NUL */
};

struct message_writer {
    int fd;
    size_t line_limit;
    struct text buffer;
    int64_t flushed; /* bytes of the file before the buffer */
    int error;
    struct queue_sizes sizes;
    struct text line; /* what is there of a line that has not ended */
    struct text attribute; /* the latest one */
};

/* What stands there until they are known. */
#define NO_SIZE "              0"
#define NO_SIZES NO_SIZE " " NO_SIZE " " NO_SIZE " " NO_SIZE " " NO_SIZE " " NO_SIZE

static void append_sizes(struct text *out, const struct queue_sizes *sizes)
{
    char data[SIZE_RECORD_DATA * 2];

    snprintf(data, sizeof data, "%15lld %15lld %15lld %15lld %15lld %15lld", (long long)sizes->message_size,
             (long long)sizes->data_offset, (long long)sizes->recipients, (long long)sizes->qmgr_flags,
             (long long)sizes->content_length, (long long)sizes->sendopts);
    record_append_string(out, RECORD_SIZE, data);
}

struct message_writer *message_writer_new(int fd, size_t line_limit)
{
    struct message_writer *writer = memory_new(sizeof *writer);

    assert(line_limit > 0 && line_limit <= RECORD_DATA_LIMIT);
    writer->fd = fd;
    writer->line_limit = line_limit;
    text_reserve(&writer->buffer, FIRST_ROOM);
    text_reserve(&writer->attribute, USUAL_ATTRIBUTE);
    record_append_string(&writer->buffer, RECORD_SIZE, NO_SIZES);
    return writer;
}

void message_writer_free(struct message_writer *writer)
{
    if (writer == NULL)
        return;
    text_free(&writer->buffer);
    text_free(&writer->line);
    text_free(&writer->attribute);
    free(writer);
}

static bool write_all(int fd, const char *bytes, size_t length, off_t offset)
{
    while (length > 0) {
        ssize_t written = pwrite(fd, bytes, length, offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
        offset += written;
    }
    return true;
}

static void flush(struct message_writer *writer)
{
    if (writer->error == 0 &&
        !write_all(writer->fd, text_string(&writer->buffer), writer->buffer.length, (off_t)writer->flushed))
        writer->error = errno != 0 ? errno : EIO;
    writer->flushed += (int64_t)writer->buffer.length;
    text_clear(&writer->buffer);
}

static int64_t position(const struct message_writer *writer)
{
    return writer->flushed + (int64_t)writer->buffer.length;
}

/* What outgrows the first buffer is going to fill the full one: it is copied once, not at each doubling. */
static void put(struct message_writer *writer, int type, const char *data, size_t length)
{
    if (writer->buffer.capacity - writer->buffer.length <= length + HEAD_ROOM)
        text_reserve(&writer->buffer, FLUSH_SIZE + length);
    record_append(&writer->buffer, type, data, length);
    if (writer->buffer.length >= FLUSH_SIZE)
        flush(writer);
}

void message_writer_record(struct message_writer *writer, int type, const char *string)
{
    put(writer, type, string, strlen(string));
}

void message_writer_attribute(struct message_writer *writer, const char *name, const char *value)
{
    text_clear(&writer->attribute);
    text_append(&writer->attribute, name);
    text_append_char(&writer->attribute, '=');
    text_append(&writer->attribute, value);
    put(writer, RECORD_ATTRIBUTE, writer->attribute.data, writer->attribute.length);
}

void message_writer_time(struct message_writer *writer, int64_t microseconds)
{
    char data[64];

    snprintf(data, sizeof data, "%lld %lld", (long long)microseconds / 1000000, (long long)microseconds % 1000000);
    message_writer_record(writer, RECORD_TIME, data);
}

void message_writer_warn_time(struct message_writer *writer, int64_t seconds)
{
    char data[64];

    snprintf(data, sizeof data, "%15lld", (long long)seconds);
    message_writer_record(writer, RECORD_WARN_TIME, data);
}

void message_writer_recipient(struct message_writer *writer, const struct message_recipient *recipient)
{
    char notify[16];

    if (recipient->dsn_notify != 0) {
        snprintf(notify, sizeof notify, "%d", recipient->dsn_notify);
        message_writer_attribute(writer, "notify_flags", notify);
    }
    if (*recipient->dsn_orig_rcpt != '\0')
        message_writer_attribute(writer, "dsn_orig_rcpt", recipient->dsn_orig_rcpt);
    if (*recipient->original != '\0')
        message_writer_record(writer, RECORD_ORIGINAL, recipient->original);
    message_writer_record(writer, RECORD_RECIPIENT, recipient->address);
    writer->sizes.recipients++;
}

/* ---- content ---- */

void message_writer_start_content(struct message_writer *writer)
{
    put(writer, RECORD_MESSAGE, "", 0);
    writer->sizes.data_offset = position(writer);
}

/* Whole lines go straight to the buffer; only a line that comes in parts waits for its rest. */
void message_writer_text(struct message_writer *writer, const char *bytes, size_t length, bool line_ends)
{
    if (writer->line.length > 0 || !line_ends) {
        text_append_bytes(&writer->line, bytes, length);
        bytes = text_string(&writer->line);
        length = writer->line.length;
    }
    for (; length > writer->line_limit; bytes += writer->line_limit, length -= writer->line_limit)
        put(writer, RECORD_LINE_PART, bytes, writer->line_limit);
    if (line_ends) {
        put(writer, RECORD_LINE, bytes, length);
        text_clear(&writer->line);
    } else if (bytes != writer->line.data) {
        memmove(writer->line.data, bytes, length);
        text_truncate(&writer->line, length);
    }
}

void message_writer_lines(struct message_writer *writer, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t line = end != NULL ? (size_t)(end - bytes) : length, step = end != NULL ? line + 1 : line;

        if (end != NULL && writer->line.length == 0 && line <= writer->line_limit)
            put(writer, RECORD_LINE, bytes, line);
        else
            message_writer_text(writer, bytes, line, end != NULL);
        bytes += step;
        length -= step;
    }
}

void message_writer_end_content(struct message_writer *writer)
{
    if (writer->line.length > 0)
        message_writer_text(writer, "", 0, true);
    writer->sizes.message_size = position(writer) - writer->sizes.data_offset;
    put(writer, RECORD_EXTRACTED, "", 0);
}

int64_t message_writer_content_size(const struct message_writer *writer)
{
    return writer->sizes.data_offset > 0 ? position(writer) - writer->sizes.data_offset : 0;
}

int64_t message_writer_length(const struct message_writer *writer)
{
    return position(writer);
}

int message_writer_error(const struct message_writer *writer)
{
    return writer->error;
}

bool message_writer_finish(struct message_writer *writer, int64_t qmgr_flags, int64_t sendopts)
{
    struct text head = {0};

    writer->sizes.content_length = writer->sizes.message_size;
    writer->sizes.qmgr_flags = qmgr_flags;
    writer->sizes.sendopts = sendopts;
    put(writer, RECORD_END, "", 0);
    text_reserve(&head, 2 * SIZE_RECORD_DATA);
    append_sizes(&head, &writer->sizes);
    if (writer->flushed == 0)
        memcpy(writer->buffer.data, head.data, head.length);
    else if (writer->error == 0 && !write_all(writer->fd, head.data, head.length, 0))
        writer->error = errno;
    text_free(&head);
    flush(writer);
    errno = writer->error;
    return writer->error == 0;
}
