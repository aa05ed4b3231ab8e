/* Mail that cannot be accepted although its sender has gone: mail from this host. */
#include "cleanup/cleanup.h"
#include "mail/delivery/delivery.h"

/* The file is not ready and never will be; bounce reads it all the same. */
static bool complete_for_return(struct cleanup_message *message)
{
    if (message->content.place == CONTENT_NONE)
        message_writer_start_content(message->writer);
    if (!message->content_ended)
        message_writer_end_content(message->writer);
    return message_writer_finish(message->writer, 0, message->open.sendopts);
}

static bool record_one(struct cleanup_message *message, const struct message_recipient *recipient,
                       struct error *error)
{
    const char *service = message->cleanup->mail->bounce_service_name;
    int64_t now = clock_wall();
    const struct delivery_result result = {.relay = "none", .dsn = message->verdict.dsn,
                                           .reason = message->verdict.reason};
    const struct delivery_times times = {.begun = now, .settled = now};

    delivery_log_line(message->id, recipient, message->open.arrival_time, now, &times, &result, "bounced",
                      message->cleanup->mail);
    return recipient->dsn_notify == DSN_NOTIFY_NEVER ||
           delivery_record(service, message->id, message->open.arrival_time, recipient, "failed", &result,
                           message->scratch, error);
}

static bool record_all(struct cleanup_message *message, const struct message_envelope *envelope, struct error *error)
{
    struct recipient_reader *reader = recipient_reader_new(message->fd, envelope);
    struct message_recipient recipient = {.address = "unknown", .original = "", .dsn_orig_rcpt = ""};
    bool any = false, good = true;

    arena_clear(message->scratch);
    while (good && recipient_reader_next(reader, message->scratch, &recipient)) {
        any = true;
        good = record_one(message, &recipient, error);
        arena_clear(message->scratch);
    }
    recipient_reader_free(reader);
    return good && (any || record_one(message, &recipient, error));
}

bool message_return(struct cleanup_message *message)
{
    struct bounce_flush flush = {.queue_name = message->queue, .queue_id = message->id, .sender = message->sender,
                                 .dsn_envid = message->open.dsn_envid, .dsn_ret = message->open.dsn_ret,
                                 .encoding = message->open.encoding, .sendopts = message->open.sendopts,
                                 .kind = BOUNCE_FAILURE, .arrival_time = message->open.arrival_time};
    struct message_envelope envelope;
    struct error error = {.text = "the file is not complete"};
    bool damaged;

    if (complete_for_return(message) &&
        message_envelope_read(message->fd, message->arena, &envelope, &damaged, &error) &&
        record_all(message, &envelope, &error) &&
        delivery_flush(message->cleanup->mail->bounce_service_name, &flush, message->arena, &error))
        return true;
    log_warning(&message->log, "bounce message failure: %s", error.text);
    return false;
}
