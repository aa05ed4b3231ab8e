#include "mail/queue/message_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One reading of an envelope. */
struct reading {
    struct arena *arena;
    struct message_envelope *envelope;
    size_t room; /* for attributes */
};

const char *message_attribute(const struct ipc_strings *attributes, const char *name)
{
    size_t length = strlen(name);

    /* What was said last holds. */
    for (size_t i = attributes->count; i > 0; i--)
        if (strncmp(attributes->items[i - 1], name, length) == 0 && attributes->items[i - 1][length] == '=')
            return attributes->items[i - 1] + length + 1;
    return "";
}

static void keep_attribute(struct reading *reading, const char *attribute)
{
    struct ipc_strings *list = &reading->envelope->attributes;

    if (list->count == reading->room) {
        const char **larger;

        reading->room = reading->room > 0 ? 2 * reading->room : 32;
        larger = arena_alloc(reading->arena, reading->room * sizeof *larger);
        if (list->count > 0)
            memcpy(larger, list->items, list->count * sizeof *larger);
        list->items = larger;
    }
    list->items[list->count++] = attribute;
}

static void note_recipient(struct message_envelope *envelope, const struct record *record)
{
    if (envelope->recipients_offset == 0)
        envelope->recipients_offset = record->offset;
}

static bool is_named(const char *attribute, size_t name_length, const char *name)
{
    return strlen(name) == name_length && memcmp(attribute, name, name_length) == 0;
}

static void take_attribute(struct reading *reading, const struct record *record)
{
    struct message_envelope *envelope = reading->envelope;
    const char *equals = strchr(record->data, '='), *attribute;
    size_t name_length = equals != NULL ? (size_t)(equals - record->data) : 0;

    if (equals == NULL)
        return;
    if (is_named(record->data, name_length, "dsn_orig_rcpt") || is_named(record->data, name_length, "notify_flags")) {
        note_recipient(envelope, record);
        return;
    }
    attribute = arena_copy(reading->arena, record->data);
    if (is_named(attribute, name_length, "encoding"))
        envelope->encoding = attribute + name_length + 1;
    else if (is_named(attribute, name_length, "envelope_id"))
        envelope->dsn_envid = attribute + name_length + 1;
    else if (is_named(attribute, name_length, "ret_flags"))
        envelope->dsn_ret = atoi(attribute + name_length + 1);
    else
        keep_attribute(reading, attribute);
}

/* Decimal numbers between blanks; how many there are, up to `most`. */
static size_t read_numbers(const char *data, long long *numbers, size_t most)
{
    size_t count = 0;
    char *end;

    for (; count < most; count++, data = end) {
        numbers[count] = strtoll(data, &end, 10);
        if (end == data)
            break;
    }
    return count;
}

static bool take_sizes(struct message_envelope *envelope, const char *data)
{
    long long numbers[6] = {0};
    size_t count = read_numbers(data, numbers, 6);

    envelope->sizes = (struct queue_sizes){numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
    return count >= 3 && numbers[0] >= 0 && numbers[1] > 0 && numbers[0] <= INT64_MAX - numbers[1];
}

static void take_time(struct message_envelope *envelope, const char *data)
{
    long long numbers[2] = {0}, seconds, microseconds;

    read_numbers(data, numbers, 2);
    seconds = numbers[0];
    microseconds = numbers[1];
    if (seconds < 0 || seconds > INT64_MAX / 1000000 - 1 || microseconds < 0 || microseconds >= 1000000)
        seconds = microseconds = 0;
    envelope->arrival_time = seconds * 1000000 + microseconds;
}

/* One record of the first or third segment. */
static void take_record(struct reading *reading, const struct record *record)
{
    struct message_envelope *envelope = reading->envelope;
    const char *data = record->data;

    switch (record->type) {
    case RECORD_TIME: take_time(envelope, data); break;
    case RECORD_ATTRIBUTE: take_attribute(reading, record); break;
    case RECORD_SENDER: envelope->sender = arena_copy(reading->arena, data); break;
    case RECORD_FULL_NAME: envelope->full_name = arena_copy(reading->arena, data); break;
    case RECORD_FILTER: envelope->filter = arena_copy(reading->arena, data); break;
    case RECORD_REDIRECT: envelope->redirect = arena_copy(reading->arena, data); break;
    case RECORD_INSPECTOR: envelope->inspector = arena_copy(reading->arena, data); break;
    case RECORD_VERP: envelope->verp_delimiters = arena_copy(reading->arena, data); break;
    case RECORD_DSN_ENVID: envelope->dsn_envid = arena_copy(reading->arena, data); break;
    case RECORD_DSN_RET: envelope->dsn_ret = atoi(data); break;
    case RECORD_RECIPIENT:
        envelope->recipients_left++;
        note_recipient(envelope, record);
        break;
    case RECORD_ORIGINAL:
    case RECORD_DSN_ORCPT:
    case RECORD_DSN_NOTIFY: note_recipient(envelope, record); break;
    case RECORD_WARN_TIME:
        envelope->warn_time = strtoll(data, NULL, 10);
        envelope->warn_offset = record->offset;
        break;
    default: break;
    }
}

/* Why reading stopped before the segment's end. Always false. */
static bool stopped(enum record_status status, bool *damaged, struct error *error)
{
    *damaged = status != RECORD_FAILED;
    if (status == RECORD_FAILED)
        return error_set(error, "read: %s", strerror(errno));
    return error_set(error, status == RECORD_END_OF_FILE ? "the file ends too early" : "a record is damaged");
}

static bool read_segment(struct record_reader *reader, struct reading *reading, int last, bool *damaged,
                         struct error *error)
{
    struct record record;
    enum record_status status;

    while ((status = record_read_logical(reader, &record)) == RECORD_OK) {
        if (record.type == last)
            return true;
        if (record.type == RECORD_MESSAGE || record.type == RECORD_EXTRACTED || record.type == RECORD_END)
            return stopped(RECORD_DAMAGED, damaged, error);
        take_record(reading, &record);
    }
    return stopped(status, damaged, error);
}

static bool read_envelope(struct record_reader *reader, struct reading *reading, bool *damaged, struct error *error)
{
    struct message_envelope *envelope = reading->envelope;
    struct record record;
    enum record_status status = record_read(reader, &record);

    if (status != RECORD_OK)
        return stopped(status, damaged, error);
    if (record.type != RECORD_SIZE || !take_sizes(envelope, record.data))
        return stopped(RECORD_DAMAGED, damaged, error);
    if (!read_segment(reader, reading, RECORD_MESSAGE, damaged, error))
        return false;
    envelope->extracted_offset = envelope->sizes.data_offset + envelope->sizes.message_size;
    record_reader_seek(reader, (off_t)envelope->extracted_offset);
    status = record_read(reader, &record);
    if (status != RECORD_OK || record.type != RECORD_EXTRACTED)
        return stopped(status == RECORD_OK ? RECORD_DAMAGED : status, damaged, error);
    return read_segment(reader, reading, RECORD_END, damaged, error);
}

bool message_envelope_read(int fd, struct arena *arena, struct message_envelope *envelope, bool *damaged,
                           struct error *error)
{
    struct record_reader *reader = record_reader_new(fd, 0);
    struct reading reading = {.arena = arena, .envelope = envelope};
    bool good;

    *envelope = (struct message_envelope){
        .sender = "", .full_name = "", .encoding = "", .filter = "", .redirect = "", .inspector = "",
        .verp_delimiters = "", .dsn_envid = "",
    };
    *damaged = false;
    good = read_envelope(reader, &reading, damaged, error);
    record_reader_free(reader);
    return good;
}

/* ---- changes in place ---- */

bool message_file_mark_done(int fd, int64_t offset)
{
    char type = 0;

    if (pread(fd, &type, 1, (off_t)offset) != 1)
        return false;
    if (type == RECORD_DONE)
        return true;
    errno = EINVAL;
    type = (type == RECORD_RECIPIENT) ? RECORD_DONE : 0;
    return type != 0 && pwrite(fd, &type, 1, (off_t)offset) == 1;
}

bool message_file_kill_attribute(int fd, const char *name)
{
    static const char killed = RECORD_KILLED;
    struct record_reader *reader = record_reader_new(fd, 0);
    size_t length = strlen(name);
    struct record record;
    bool good = true;

    while (good && record_read(reader, &record) == RECORD_OK && record.type != RECORD_MESSAGE)
        if (record.type == RECORD_ATTRIBUTE && strncmp(record.data, name, length) == 0 && record.data[length] == '=')
            good = pwrite(fd, &killed, 1, record.offset) == 1;
    record_reader_free(reader);
    return good;
}

bool message_file_set_warn_time(int fd, int64_t warn_offset, int64_t when)
{
    enum { WIDTH = 15 };
    char head[2], digits[32];

    if (pread(fd, head, sizeof head, (off_t)warn_offset) != sizeof head)
        return false;
    errno = EINVAL;
    if (head[0] != RECORD_WARN_TIME || head[1] != WIDTH ||
        snprintf(digits, sizeof digits, "%*lld", WIDTH, (long long)when) != WIDTH)
        return false;
    return pwrite(fd, digits, WIDTH, (off_t)warn_offset + 2) == WIDTH;
}
