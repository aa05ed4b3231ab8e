#include "mail/queue/record.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/memory.h"

enum { READ_SIZE = 16 * 1024, LENGTH_BYTES_LIMIT = 4, POINTER_LIMIT = 100000 };

void record_append(struct text *out, int type, const char *data, size_t length)
{
    size_t left = length;
    char *to;

    assert(length <= RECORD_DATA_LIMIT);
    text_reserve(out, 1 + LENGTH_BYTES_LIMIT + length);
    to = out->data + out->length;
    *to++ = (char)type;
    for (; left > 0x7f; left >>= 7)
        *to++ = (char)((left & 0x7f) | 0x80);
    *to++ = (char)left;
    memcpy(to, data, length);
    to[length] = '\0';
    out->length = (size_t)(to + length - out->data);
}

void record_append_string(struct text *out, int type, const char *string)
{
    record_append(out, type, string, strlen(string));
}

/* ---- reading ---- */

struct record_reader {
    int fd;
    char *buffer;
    size_t room, start, end; /* what is between start and end is not consumed */
    off_t offset;            /* in the file, of start */
    bool terminated;         /* the byte at start was replaced by a NUL */
    char replaced;
    long pointers;
};

struct record_reader *record_reader_new(int fd, off_t offset)
{
    struct record_reader *reader = memory_new(sizeof *reader);

    reader->fd = fd;
    reader->offset = offset;
    reader->room = READ_SIZE;
    reader->buffer = memory_resize(NULL, reader->room + 1); /* not cleared: a listing opens very many files */
    return reader;
}

void record_reader_free(struct record_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->buffer);
    free(reader);
}

/* Takes the NUL behind the last record away again. */
static void restore_end(struct record_reader *reader)
{
    if (reader->terminated)
        reader->buffer[reader->start] = reader->replaced;
    reader->terminated = false;
}

const char *record_reader_buffered(struct record_reader *reader, size_t *length)
{
    restore_end(reader);
    *length = reader->end - reader->start;
    return reader->buffer + reader->start;
}

void record_reader_consume(struct record_reader *reader, size_t length)
{
    assert(!reader->terminated && length <= reader->end - reader->start);
    reader->start += length;
    reader->offset += (off_t)length;
}

/* Forward, within what is buffered, nothing is read again. */
void record_reader_seek(struct record_reader *reader, off_t offset)
{
    off_t distance = offset - reader->offset;

    restore_end(reader);
    reader->offset = offset;
    if (distance >= 0 && distance <= (off_t)(reader->end - reader->start))
        reader->start += (size_t)distance;
    else
        reader->start = reader->end = 0;
}

/* Makes count bytes available behind start. RECORD_END_OF_FILE: the file has fewer. */
static enum record_status need(struct record_reader *reader, size_t count)
{
    if (reader->end - reader->start >= count)
        return RECORD_OK;
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    if (count > reader->room) {
        reader->room = count;
        reader->buffer = memory_resize(reader->buffer, reader->room + 1);
    }
    while (reader->end < count) {
        ssize_t got = pread(reader->fd, reader->buffer + reader->end, reader->room - reader->end,
                            reader->offset + (off_t)reader->end);

        if (got < 0 && errno != EINTR)
            return RECORD_FAILED;
        if (got == 0)
            return RECORD_END_OF_FILE;
        if (got > 0)
            reader->end += (size_t)got;
    }
    return RECORD_OK;
}

/* The size of the head (type and length) and the length of what follows. */
static enum record_status read_head(struct record_reader *reader, size_t *head, size_t *length)
{
    size_t value = 0;

    for (size_t i = 0; i < LENGTH_BYTES_LIMIT; i++) {
        enum record_status status = need(reader, i + 2);
        unsigned char byte;

        if (status != RECORD_OK)
            return status == RECORD_END_OF_FILE && reader->end > reader->start ? RECORD_DAMAGED : status;
        byte = (unsigned char)reader->buffer[reader->start + i + 1];
        value |= (size_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *head = i + 2;
            *length = value;
            return value <= RECORD_DATA_LIMIT ? RECORD_OK : RECORD_DAMAGED;
        }
    }
    return RECORD_DAMAGED;
}

static enum record_status find_record(struct record_reader *reader, size_t *head, size_t *length)
{
    enum record_status status = read_head(reader, head, length);

    if (status != RECORD_OK)
        return status;
    status = need(reader, *head + *length);
    return status == RECORD_END_OF_FILE ? RECORD_DAMAGED : status;
}

enum record_status record_read(struct record_reader *reader, struct record *record)
{
    size_t head, length;

    restore_end(reader);
    if (!record_head(reader->buffer + reader->start, reader->end - reader->start, &head, &length)) {
        enum record_status status = find_record(reader, &head, &length);

        if (status != RECORD_OK)
            return status;
    }
    record->type = (unsigned char)reader->buffer[reader->start];
    record->offset = reader->offset;
    record->data = reader->buffer + reader->start + head;
    record->length = length;
    reader->start += head + length;
    reader->offset += (off_t)(head + length);
    reader->replaced = reader->buffer[reader->start];
    reader->buffer[reader->start] = '\0';
    reader->terminated = true;
    return RECORD_OK;
}

enum record_status record_read_logical(struct record_reader *reader, struct record *record)
{
    for (;;) {
        enum record_status status = record_read(reader, record);
        long long target;
        char *end;

        if (status != RECORD_OK || record->type != RECORD_POINTER)
            return status;
        errno = 0;
        target = strtoll(record->data, &end, 10);
        if (errno != 0 || end == record->data || *end != '\0' || target < 0)
            return RECORD_DAMAGED;
        if (target == 0)
            return RECORD_OK;
        if (++reader->pointers > POINTER_LIMIT)
            return RECORD_DAMAGED;
        record_reader_seek(reader, (off_t)target);
    }
}

/* ---- names ---- */

const char *record_type_name(int type)
{
    static const struct {
        char type;
        const char *name;
    } names[] = {
        {RECORD_SIZE, "message_size"},
        {RECORD_TIME, "message_arrival_time"},
        {RECORD_CREATE_TIME, "queue_file_create_time"},
        {RECORD_FULL_NAME, "sender_fullname"},
        {RECORD_INSPECTOR, "content_inspector"},
        {RECORD_FILTER, "content_filter"},
        {RECORD_SENDER, "sender"},
        {RECORD_DONE, "done_recipient"},
        {RECORD_RECIPIENT, "recipient"},
        {RECORD_ORIGINAL, "original_recipient"},
        {RECORD_CANCELLED, "canceled_recipient"},
        {RECORD_WARN_TIME, "warning_message_time"},
        {RECORD_ATTRIBUTE, "named_attribute"},
        {RECORD_KILLED, "killed_record"},
        {RECORD_REDIRECT, "redirect_to"},
        {RECORD_FLAGS, "flags"},
        {RECORD_MESSAGE, "message_content"},
        {RECORD_LINE, "regular_text"},
        {RECORD_PADDING, "padding"},
        {RECORD_EXTRACTED, "extracted_info"},
        {RECORD_RETURN_RECEIPT, "return_receipt"},
        {RECORD_ERRORS_TO, "errors_to"},
        {RECORD_PRIORITY, "priority"},
        {RECORD_POINTER, "pointer_record"},
        {RECORD_VERP, "verp_delimiters"},
        {RECORD_DSN_RET, "dsn_return_flags"},
        {RECORD_DSN_ENVID, "dsn_envelope_id"},
        {RECORD_DSN_ORCPT, "dsn_original_recipient"},
        {RECORD_DSN_NOTIFY, "dsn_notify_flags"},
        {RECORD_END, "message_end"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}
