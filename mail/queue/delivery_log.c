#include "mail/queue/delivery_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/address/address.h"

enum log_field_type { FIELD_STRING, FIELD_ADDRESS, FIELD_NUMBER };

struct log_field {
    const char *name;
    enum log_field_type type;
    size_t offset; /* in struct bounce_append */
};

#define FIELD(name, type, member) {name, type, offsetof(struct bounce_append, member)}

/* In the order they are written. */
static const struct log_field fields[] = {
    FIELD("recipient", FIELD_ADDRESS, recipient),
    FIELD("original_recipient", FIELD_ADDRESS, original),
    FIELD("offset", FIELD_NUMBER, offset),
    FIELD("dsn_orig_rcpt", FIELD_STRING, dsn_orig_rcpt),
    FIELD("notify_flags", FIELD_NUMBER, dsn_notify),
    FIELD("status", FIELD_STRING, dsn),
    FIELD("action", FIELD_STRING, action),
    FIELD("diag_type", FIELD_STRING, diag_type),
    FIELD("diag_text", FIELD_STRING, diag_text),
    FIELD("mta_type", FIELD_STRING, mta_type),
    FIELD("mta_mname", FIELD_STRING, mta_name),
    FIELD("reason", FIELD_STRING, reason),
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

static const char **string_at(const struct log_field *field, const struct bounce_append *entry)
{
    return (const char **)(void *)((char *)(uintptr_t)entry + field->offset);
}

static int64_t *number_at(const struct log_field *field, const struct bounce_append *entry)
{
    return (int64_t *)(void *)((char *)(uintptr_t)entry + field->offset);
}

/* One line, whatever the value holds: a line end in it would forge fields. */
static void append_one_line(struct text *out, const char *value)
{
    for (; *value != '\0'; value++)
        text_append_char(out, (unsigned char)*value < 32 || *value == 127 ? ' ' : *value);
}

static void append_field(struct text *out, const struct log_field *field, const struct bounce_append *entry)
{
    const char *value;
    struct text external = {0};

    if (field->type == FIELD_NUMBER) {
        if (*number_at(field, entry) != 0)
            text_append_format(out, "%s=%lld\n", field->name, (long long)*number_at(field, entry));
        return;
    }
    value = *string_at(field, entry);
    if (value == NULL || *value == '\0')
        return;
    if (field->type == FIELD_ADDRESS) {
        address_quote(value, &external);
        value = text_string(&external);
    }
    text_append_format(out, "%s=", field->name);
    append_one_line(out, value);
    text_append_char(out, '\n');
    text_free(&external);
}

void delivery_log_append(struct text *out, const struct bounce_append *entry)
{
    struct bounce_append copy = *entry;
    struct text external = {0};

    if (copy.original != NULL && string_equal(copy.original, copy.recipient))
        copy.original = "";
    address_quote(copy.recipient, &external);
    text_append(out, "\n<");
    append_one_line(out, text_string(&external));
    text_append(out, ">: ");
    append_one_line(out, copy.reason);
    text_append_char(out, '\n');
    for (size_t i = 0; i < FIELD_COUNT; i++)
        append_field(out, &fields[i], &copy);
    text_append_char(out, '\n');
    text_free(&external);
}

/* ---- reading ---- */

bool delivery_log_read(int fd, struct arena *arena, struct delivery_log *log)
{
    enum { PIECE = 8 * 1024 };
    struct text content = {0};
    ssize_t got;

    /* A file ends where it gives less than was asked for. */
    do {
        text_reserve(&content, PIECE);
        got = read(fd, content.data + content.length, PIECE);
        content.length += got > 0 ? (size_t)got : 0;
    } while (got == PIECE || (got < 0 && errno == EINTR));
    log->at = arena_copy_bytes(arena, content.data, content.length);
    log->end = log->at + content.length;
    text_free(&content);
    return got >= 0;
}

static void take_line(const char *line, struct arena *arena, struct bounce_append *entry)
{
    const char *equals = strchr(line, '=');
    struct text internal = {0};

    for (size_t i = 0; equals != NULL && i < FIELD_COUNT; i++) {
        const struct log_field *field = &fields[i];

        if (strlen(field->name) != (size_t)(equals - line) || !string_starts(line, field->name))
            continue;
        if (field->type == FIELD_NUMBER) {
            *number_at(field, entry) = strtoll(equals + 1, NULL, 10);
        } else if (field->type == FIELD_STRING) {
            *string_at(field, entry) = equals + 1;
        } else {
            address_unquote(equals + 1, &internal);
            *string_at(field, entry) = arena_copy(arena, text_string(&internal));
        }
        break;
    }
    text_free(&internal);
}

/* NULL at the end. */
static const char *next_line(struct delivery_log *log)
{
    char *line = log->at, *end;

    if (line == log->end)
        return NULL;
    end = memchr(line, '\n', (size_t)(log->end - line));
    log->at = end != NULL ? end + 1 : log->end;
    if (end != NULL)
        *end = '\0';
    return line;
}

bool delivery_log_next(struct delivery_log *log, struct arena *arena, struct bounce_append *entry)
{
    bool started = false;
    const char *line;

    *entry = (struct bounce_append){0};
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].type != FIELD_NUMBER)
            *string_at(&fields[i], entry) = "";
    entry->queue_id = entry->relay = "";
    while ((line = next_line(log)) != NULL && (*line != '\0' || !started))
        if (*line != '\0' && *line != '<') {
            take_line(line, arena, entry);
            started = true;
        }
    return started;
}
