#include "qmgr/deliver.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "mail/delivery/delivery.h"
#include "qmgr/agent.h"
#include "qmgr/message.h"
#include "qmgr/transport.h"

static bool has_trace_flag(const struct message *message, enum trace_flag flag)
{
    return (message->trace_flags & flag) != 0;
}

/* ---- what is not tried ---- */

/* An address that is only looked at gets its answer now. */
static bool answer_probe(struct message *message, const struct message_recipient *recipient,
                         const struct delivery_result *result, struct arena *arena, struct error *error)
{
    int fd = queue_file_open(message->manager->layout, message->queue, message->id, O_RDWR);
    bool done = fd >= 0 && delivery_record(message->manager->mail->trace_service_name, message->id,
                                           message->envelope.arrival_time, recipient, "undeliverable", result, arena,
                                           error) &&
                message_file_mark_done(fd, recipient->offset);

    if (fd >= 0)
        close(fd);
    return done;
}

void deliver_defer(struct message *message, struct message_recipient *const *recipients, size_t count,
                   const char *dsn, const char *reason)
{
    struct delivery_result result = {.relay = "none", .dsn = dsn, .reason = reason};
    int64_t now = clock_wall();
    struct delivery_times times = {.begun = now, .settled = now};
    struct arena *arena = arena_new();
    bool probe = has_trace_flag(message, TRACE_VERIFY);

    message->recorded = message->recorded || probe || has_trace_flag(message, TRACE_RECORD);
    for (size_t i = 0; i < count; i++) {
        struct error error = {.text = "queue file"};

        arena_clear(arena);
        delivery_log_line(message->id, recipients[i], message->envelope.arrival_time, message->active_time, &times,
                          &result, probe ? "undeliverable" : "deferred", message->manager->mail);
        if (probe && answer_probe(message, recipients[i], &result, arena, &error))
            continue;
        if (has_trace_flag(message, TRACE_RECORD) &&
            !delivery_record(message->manager->mail->trace_service_name, message->id, message->envelope.arrival_time,
                             recipients[i], "delayed", &result, arena, &error))
            log_warning(&message->log, "cannot report a delay: %s", error.text);
        message->deferred++;
        /* Without the entry the recipient is retried all the same: it is not marked done. */
        if (!delivery_record("defer", message->id, message->envelope.arrival_time, recipients[i], "delayed", &result,
                             arena, &error))
            log_warning(&message->log, "cannot record a delay: %s", error.text);
    }
    arena_free(arena);
}

/* The entry's memory is the message's; the message may be gone afterwards. */
static void entry_done(struct entry *entry)
{
    destination_release(entry->destination);
    message_entry_done(entry->message);
}

static void run_defer(void *argument)
{
    struct entry *entry = argument;

    deliver_defer(entry->message, entry->recipients, entry->count, entry->defer_dsn, entry->defer_reason);
    entry_done(entry);
}

void deliver_defer_start(struct entry *entry, const char *dsn, const char *reason)
{
    entry->defer_dsn = arena_copy(entry->message->arena, dsn);
    entry->defer_reason = arena_copy(entry->message->arena, reason);
    task_start(run_defer, entry);
}

/* ---- delivering ---- */

static struct ipc_strings new_column(struct arena *arena, size_t count)
{
    return (struct ipc_strings){.items = arena_alloc(arena, count * sizeof(char *)), .count = count};
}

static void fill_recipients(const struct entry *entry, struct arena *arena, struct delivery_request *request)
{
    request->rcpt_address = new_column(arena, entry->count);
    request->rcpt_original = new_column(arena, entry->count);
    request->rcpt_dsn_orig_rcpt = new_column(arena, entry->count);
    request->rcpt_dsn_notify = new_column(arena, entry->count);
    request->rcpt_offset = new_column(arena, entry->count);
    for (size_t i = 0; i < entry->count; i++) {
        const struct message_recipient *recipient = entry->recipients[i];

        request->rcpt_address.items[i] = recipient->address;
        request->rcpt_original.items[i] = recipient->original;
        request->rcpt_dsn_orig_rcpt.items[i] = recipient->dsn_orig_rcpt;
        request->rcpt_dsn_notify.items[i] = arena_format(arena, "%d", recipient->dsn_notify);
        request->rcpt_offset.items[i] = arena_format(arena, "%" PRId64, recipient->offset);
    }
}

static struct delivery_request make_request(const struct entry *entry, struct arena *arena)
{
    const struct message *message = entry->message;
    const struct message_envelope *envelope = &message->envelope;
    struct delivery_request request = {.queue_name = message->queue,
                                       .queue_id = message->id,
                                       .data_offset = envelope->sizes.data_offset,
                                       .data_size = envelope->sizes.message_size,
                                       .nexthop = entry->nexthop,
                                       .encoding = envelope->encoding,
                                       .sender = envelope->sender,
                                       .dsn_envid = envelope->dsn_envid,
                                       .dsn_ret = envelope->dsn_ret,
                                       .sendopts = envelope->sizes.sendopts,
                                       .arrival_time = envelope->arrival_time,
                                       .active_time = message->active_time,
                                       .attributes = envelope->attributes,
                                       .transport = entry->destination->transport->name};

    if (has_trace_flag(message, TRACE_VERIFY))
        request.flags |= DELIVERY_PROBE | DELIVERY_RECORD;
    if (has_trace_flag(message, TRACE_RECORD))
        request.flags |= DELIVERY_RECORD;
    fill_recipients(entry, arena, &request);
    return request;
}

static void run_delivery(void *argument)
{
    struct entry *entry = argument;
    struct destination *destination = entry->destination;
    struct transport *transport = destination->transport;
    struct message *message = entry->message;
    struct arena *arena = arena_new();
    struct delivery_request request = make_request(entry, arena);
    struct delivery_reply reply;
    struct error error;

    if (agents_deliver(transport->agents, &request, arena, &reply, &error)) {
        message->deferred += (size_t)reply.deferred;
        message->recorded = message->recorded || reply.recorded > 0;
    } else {
        message->recorded = true; /* for all we know */
        log_warning(NULL, "%s", error.text);
        reply = (struct delivery_reply){.status = DELIVERY_AGENT_FAILED, .dsn = "4.3.0",
                                        .reason = "mail transport unavailable"};
        deliver_defer(message, entry->recipients, entry->count, reply.dsn, reply.reason);
    }
    agents_release(transport->agents);
    destination_done(destination, (enum delivery_status)reply.status, reply.dsn, reply.reason);
    arena_free(arena);
    entry_done(entry);
}

void deliver_start(struct entry *entry)
{
    agents_reserve(entry->destination->transport->agents);
    task_start(run_delivery, entry);
}
