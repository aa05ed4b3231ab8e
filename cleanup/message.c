#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup/cleanup.h"

void message_fail(struct cleanup_message *message, int code, const char *dsn, const char *reason)
{
    if (message->verdict.code == 0)
        message->verdict = (struct cleanup_verdict){code, dsn, reason};
}

static void refuse_for(struct cleanup_message *message, int reason)
{
    if (reason == ENOSPC || reason == EDQUOT)
        message_fail(message, 452, "4.3.1", "Insufficient system storage");
    else
        message_fail(message, 451, "4.3.0", "Error: queue file write error");
}

void message_fail_write(struct cleanup_message *message, int reason, const char *what)
{
    log_warning(&message->log, "%s: %s", what, strerror(reason));
    refuse_for(message, reason);
}

/* ---- the envelope's head ---- */

static void write_number(struct cleanup_message *message, const char *name, long long value)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%lld", value);
    message_writer_attribute(message->writer, name, digits);
}

static void write_attributes(struct cleanup_message *message)
{
    for (size_t i = 0; i < message->open.attributes.count; i++)
        message_writer_record(message->writer, RECORD_ATTRIBUTE, message->open.attributes.items[i]);
}

static void write_if_set(struct cleanup_message *message, int type, const char *value)
{
    if (*value != '\0')
        message_writer_record(message->writer, type, value);
}

static void write_sender(struct cleanup_message *message)
{
    const struct cleanup *cleanup = message->cleanup;
    const char *sender = mapping_canonical(message, message->open.sender, CLASS_ENVELOPE_SENDER);

    message->sender = sender != NULL ? sender : message->open.sender;
    if (string_has_high_bytes(message->sender))
        message->open.sendopts |= SENDOPT_UTF8_SENDER;
    message_writer_record(message->writer, RECORD_SENDER, message->sender);
    if (message->open.flags & CLEANUP_BCC)
        recipients_add_bcc_of(message, cleanup->sender_bcc, message->sender);
}

/* The delimiters are in the number: the first one in its high byte. 1: the usual ones. */
static void write_verp(struct cleanup_message *message)
{
    int64_t verp = message->open.verp;
    char delimiters[3] = {(char)(verp >> 8 & 0x7f), (char)(verp & 0x7f), '\0'};

    if (verp != 0)
        message_writer_record(message->writer, RECORD_VERP, verp > 0xff ? delimiters : "+=");
}

static void write_head(struct cleanup_message *message, int64_t created)
{
    const struct cleanup_open *open = &message->open;
    duration warn_after = message->cleanup->mail->delay_warning_time;

    message_writer_time(message->writer, open->arrival_time);
    write_number(message, "create_time", created);
    write_if_set(message, RECORD_FILTER, open->filter);
    write_if_set(message, RECORD_REDIRECT, open->redirect);
    write_if_set(message, RECORD_FULL_NAME, open->full_name);
    message_writer_attribute(message->writer, "log_ident", message->id);
    if (*open->rewrite_context != '\0')
        message_writer_attribute(message->writer, "rewrite_context", open->rewrite_context);
    if (*open->dsn_envid != '\0')
        message_writer_attribute(message->writer, "envelope_id", open->dsn_envid);
    if (open->dsn_ret != DSN_RET_NONE)
        write_number(message, "ret_flags", open->dsn_ret);
    write_verp(message);
    write_sender(message);
    if (*open->encoding != '\0')
        message_writer_attribute(message->writer, "encoding", open->encoding);
    write_attributes(message);
    if (warn_after > 0 && *message->sender != '\0')
        message_writer_warn_time(message->writer, (open->arrival_time + warn_after) / SECONDS);
}

static void use_spare(struct cleanup_message *message)
{
    message->reused = true;
    message->fd = message->spare.fd;
}

static bool create_file(struct cleanup_message *message, struct timespec *when)
{
    const struct cleanup *cleanup = message->cleanup;
    struct error error;

    message->fd = queue_file_create(cleanup->layout, message->queue, cleanup->mail->enable_long_queue_ids, message->id,
                                    when, &error);
    if (message->fd < 0)
        log_warning(&message->log, "%s", error.text);
    return message->fd >= 0;
}

/* The ID is known to the world. Where the file of its ticket is not here any more, another one gets its name. */
static bool open_ticket(struct cleanup_message *message)
{
    const struct cleanup_open *open = &message->open;
    struct cleanup *cleanup = message->cleanup;

    errno = EINVAL;
    if (!queue_id_valid(open->queue_id) || !queue_id_matches(open->queue_id, (ino_t)open->ticket))
        return false;
    snprintf(message->id, sizeof message->id, "%s", open->queue_id);
    if (tickets_redeem(cleanup, open->ticket, &message->spare))
        use_spare(message);
    else
        message->fd = queue_file_create_named(cleanup->layout, message->queue, message->id);
    return message->fd >= 0;
}

/* False: errno, and what could not be done has been logged. */
static bool open_file(struct cleanup_message *message, struct timespec *when)
{
    struct cleanup *cleanup = message->cleanup;

    clock_gettime(CLOCK_REALTIME, when);
    if (message->open.ticket != 0) {
        if (open_ticket(message))
            return true;
        log_warning(NULL, "queue file \"%s\": %s", message->open.queue_id, strerror(errno));
        return false;
    }
    if (!spares_take(cleanup, &message->spare))
        return create_file(message, when);
    queue_id_make(cleanup->mail->enable_long_queue_ids, when, message->spare.inode, message->id);
    use_spare(message);
    return true;
}

bool message_begin(struct cleanup_message *message)
{
    struct cleanup *cleanup = message->cleanup;
    bool hold = string_equal(message->open.queue, QUEUE_HOLD);
    struct timespec when;

    snprintf(message->queue, sizeof message->queue, "%s", hold ? QUEUE_HOLD : QUEUE_INCOMING);
    if (!open_file(message, &when)) {
        *message->queue = '\0';
        refuse_for(message, errno);
        return false;
    }
    message->log.identity = message->id;
    message->first_recipient = message->sender = "";
    message->seen_recipients = map_new();
    if (message->open.arrival_time <= 0)
        message->open.arrival_time = clock_wall();
    message->hold = (message->open.flags & CLEANUP_HOLD) != 0;
    message->discard = (message->open.flags & CLEANUP_DISCARD) != 0;
    message->writer = message_writer_new(message->fd, (size_t)cleanup->mail->line_length_limit);
    write_head(message, when.tv_sec);
    return true;
}

/* ---- the end ---- */

static void write_extracted(struct cleanup_message *message)
{
    if (message->filter != NULL)
        message_writer_record(message->writer, RECORD_FILTER, message->filter);
    if (message->redirect != NULL)
        message_writer_record(message->writer, RECORD_REDIRECT, message->redirect);
    for (size_t i = 0; i < message->late_bcc.count; i++)
        recipients_add_bcc(message, message->late_bcc.items[i]);
    if ((message->open.flags & CLEANUP_BCC) && *message->cleanup->config->always_bcc != '\0')
        recipients_add_bcc(message, message->cleanup->config->always_bcc);
}

static bool move_to_hold(struct cleanup_message *message)
{
    if (string_equal(message->queue, QUEUE_HOLD))
        return true;
    if (!message->reused && queue_move(message->cleanup->layout, message->id, message->queue, QUEUE_HOLD) < 0)
        return false;
    snprintf(message->queue, sizeof message->queue, "%s", QUEUE_HOLD);
    return true;
}

static void complete_file(struct cleanup_message *message)
{
    content_end(message);
    message_writer_end_content(message->writer);
    message->content_ended = true;
    write_extracted(message);
    if (map_count(message->seen_recipients) == 0)
        message_fail(message, 554, "5.5.1", "Error: no valid recipients");
    if (message->verdict.code != 0 || message->discard)
        return;
    if ((message->open.flags & CLEANUP_UTF8) != 0 &&
        (message->open.sendopts & (SENDOPT_UTF8_HEADER | SENDOPT_UTF8_SENDER | SENDOPT_UTF8_RECIPIENT)) != 0)
        message->open.sendopts |= SENDOPT_SMTPUTF8;
    if (!message_writer_finish(message->writer, 0, message->open.sendopts))
        message_fail_write(message, errno, "write queue file");
    else if (message->hold && !move_to_hold(message))
        message_fail_write(message, errno, "move queue file to hold");
    else if (!commit_file(message))
        message_fail_write(message, errno, "make queue file durable");
}

/* Whoever handed it in is done with it when it is on its way back. */
static void return_or_defer(struct cleanup_message *message)
{
    if (message_return(message))
        message->verdict.code = 0;
    else
        message->verdict = (struct cleanup_verdict){451, "4.3.0", "bounce message failure"};
}

void message_end(struct cleanup_message *message, const struct cleanup_end *end)
{
    message->hold = message->hold || (end->flags & CLEANUP_HOLD) != 0;
    message->discard = message->discard || (end->flags & CLEANUP_DISCARD) != 0;
    if (message->verdict.code == 0)
        complete_file(message);
    if (message->verdict.code >= 500 && (message->open.flags & CLEANUP_BOUNCE) != 0) {
        return_or_defer(message);
        message_abandon(message);
    } else if (message->verdict.code != 0) {
        message_abandon(message);
    } else if (message->discard) {
        log_info(&message->log, "removed (discarded)");
        message_abandon(message);
    }
}

void message_abandon(struct cleanup_message *message)
{
    if (message->reused) /* it lies in spare/, unless it has just got its name */
        unlink(message->spare.path);
    if (*message->queue != '\0' && queue_remove(message->cleanup->layout, message->queue, message->id) < 0 &&
        !(message->reused && errno == ENOENT))
        log_warning(&message->log, "remove queue file: %s", strerror(errno));
    *message->queue = '\0';
}

void message_close(struct cleanup_message *message)
{
    if (message->fd >= 0)
        close(message->fd);
    message->fd = -1;
}

void message_free(struct cleanup_message *message)
{
    message_close(message);
    message_writer_free(message->writer);
    map_free(message->seen_recipients);
    text_free(&message->content.line);
    text_free(&message->content.header);
    text_free(&message->content.part_field);
    if (message->content.parts != NULL)
        mime_parts_free(message->content.parts);
    arena_free(message->scratch);
    arena_free(message->arena);
}
