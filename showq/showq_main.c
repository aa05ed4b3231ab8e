/* showq - lists the queue for postqueue and for monitoring tools (contracts of public/showq). */
#include <stdlib.h>
#include <string.h>

#include "mail/queue/queue_listing.h"
#include "mail/service/service.h"
#include "util/base/memory.h"

static bool write_string(struct stream *stream, const char *string)
{
    return stream_write(stream, string, strlen(string) + 1) == STREAM_OK;
}

static bool write_attribute(struct stream *stream, const char *name, const char *value)
{
    return write_string(stream, name) && write_string(stream, value);
}

static bool write_number(struct stream *stream, const char *name, int64_t value)
{
    return write_string(stream, name) && stream_print(stream, "%lld", (long long)value) == STREAM_OK &&
           write_string(stream, "");
}

static bool write_entry(void *context, const struct queue_entry *entry)
{
    struct stream *stream = context;

    return write_attribute(stream, "queue_name", entry->queue_name) &&
           write_attribute(stream, "queue_id", entry->queue_id) && write_number(stream, "time", entry->arrival_time) &&
           write_number(stream, "size", entry->size) && write_number(stream, "forced_expire", entry->forced_expire) &&
           write_attribute(stream, "sender", entry->sender);
}

static bool write_recipient(void *context, const struct queue_entry_recipient *recipient)
{
    struct stream *stream = context;

    return write_attribute(stream, "original_recipient", recipient->original) &&
           write_attribute(stream, "recipient", recipient->address) &&
           write_attribute(stream, "log_class", recipient->log_class) &&
           write_attribute(stream, "reason", recipient->reason);
}

static bool write_end(void *context)
{
    return write_string(context, "");
}

static bool showq_ready(struct service_environment *environment, struct error *error)
{
    (void)error;
    environment->state = queue_layout_new(environment->mail);
    return true;
}

static void showq_session(struct service_session *session)
{
    struct stream *stream = session->stream;
    const struct queue_listing listing = {write_entry, write_recipient, write_end, stream};

    stream_set_timeout(stream, session->environment->mail->ipc_timeout);
    if (write_attribute(stream, "protocol", QUEUE_LISTING_PROTOCOL) && write_end(stream) &&
        queue_listing_walk(session->environment->state, &listing) && write_end(stream))
        stream_flush(stream);
}

static const struct service showq = {
    .name = "showq",
    .sandbox = SANDBOX_READ_ONLY,
    .ready = showq_ready,
    .session = showq_session,
};

int main(int argc, char **argv)
{
    return service_main(&showq, argc, argv);
}
