/* showq - lists the queue for postqueue and for monitoring tools (contracts of public/showq). */
#include <stdio.h>
#include <string.h>

#include "mail/queue/queue_listing.h"
#include "mail/queue/queue_sweep.h"
#include "mail/service/service.h"
#include "util/base/text.h"

/* The list for one client. */
struct report {
    const struct queue_lister *lister;
    struct stream *stream;
};

static void append_string(struct text *out, const char *string)
{
    text_append_bytes(out, string, strlen(string) + 1);
}

static void append_attribute(struct text *out, const char *name, const char *value)
{
    append_string(out, name);
    append_string(out, value);
}

static void append_number(struct text *out, const char *name, int64_t value)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%lld", (long long)value);
    append_attribute(out, name, digits);
}

static void append_message(struct text *out, const struct listed_message *message)
{
    append_attribute(out, "queue_name", message->queue_name);
    append_attribute(out, "queue_id", message->queue_id);
    append_number(out, "time", message->arrival_time);
    append_number(out, "size", message->size);
    append_number(out, "forced_expire", message->forced_expire);
    append_attribute(out, "sender", message->sender);
    for (size_t i = 0; i < message->recipient_count; i++) {
        append_attribute(out, "original_recipient", message->recipients[i].original);
        append_attribute(out, "recipient", message->recipients[i].address);
        append_attribute(out, "log_class", message->recipients[i].log_class);
        append_attribute(out, "reason", message->recipients[i].reason);
    }
    append_string(out, "");
}

/* What goes to the client. */
static const void *look_at_message(const void *context, const char *queue, const char *id, struct arena *arena)
{
    const struct report *report = context;
    const struct listed_message *message = queue_lister_read(report->lister, queue, id, arena);
    struct text *out = arena_alloc(arena, sizeof *out), bytes = {0};

    if (message == NULL)
        return NULL;
    append_message(&bytes, message);
    out->data = arena_copy_bytes(arena, bytes.data, bytes.length);
    out->length = bytes.length;
    text_free(&bytes);
    return out;
}

static bool write_message(void *context, const char *queue, const char *id, const void *found)
{
    const struct report *report = context;
    const struct text *bytes = found;

    (void)queue;
    (void)id;
    return stream_write(report->stream, bytes->data, bytes->length) == STREAM_OK;
}

static bool write_queues(struct report *report)
{
    const struct queue_sweep sweep = {.look = look_at_message, .take = write_message, .context = report};
    bool going_on = true;

    for (const char *const *queue = queue_listing_queues; going_on && *queue != NULL; queue++)
        going_on = queue_sweep_run(&sweep, *queue);
    return going_on;
}

static void showq_session(struct service_session *session)
{
    static const char announcement[] = "protocol\0" QUEUE_LISTING_PROTOCOL "\0";
    struct queue_lister *lister = queue_lister_new(session->environment->layout);
    struct report report = {lister, session->stream};

    stream_set_timeout(report.stream, session->environment->mail->ipc_timeout);
    if (stream_write(report.stream, announcement, sizeof announcement) == STREAM_OK && write_queues(&report) &&
        stream_write(report.stream, "", 1) == STREAM_OK)
        stream_flush(report.stream);
    queue_lister_free(lister);
}

static const struct service showq = {
    .name = "showq",
    .sandbox = SANDBOX_READ_ONLY,
    .session = showq_session,
};

int main(int argc, char **argv)
{
    return service_main(&showq, argc, argv);
}
