#include "mail/submit/submission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail/queue/queue.h"
#include "mail/submit/drop.h"
#include "mail/submit/tickets.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { CONTENT_FRAME = 32 * 1024, IDLE_CHANNELS = 100 };

struct submission_pool {
    struct channel_pool *channels;
    struct tickets tickets;
};

struct submission {
    struct submission_pool *pool;
    const struct mail_config *mail;
    struct channel *channel; /* to itself; else NULL */
    struct call *call;       /* NULL: nothing has been sent */
    struct text frames;      /* of the envelope, while nothing has been sent: a struct head and a body each */
    struct text content;     /* not handed on yet */
    char queue_id[QUEUE_ID_SIZE];
    struct ticket ticket; /* that it has, and nobody was told of */
    bool broken;
    struct drop *drop; /* not NULL: this is what the message goes into, and nothing else here is used */
};

struct head {
    uint16_t message;
    size_t length;
};

struct submission_pool *submission_pool_new(void)
{
    struct submission_pool *pool = memory_new(sizeof *pool);

    pool->channels = channel_pool_new(IPC_SOCKET_CLEANUP, IPC_PROTOCOL_CLEANUP, IDLE_CHANNELS);
    return pool;
}

/* ---- frames ---- */

static void keep_frame(struct submission *submission, const struct ipc_message *message, const void *value)
{
    struct head head = {.message = message->number};
    size_t start = submission->frames.length;

    text_append_bytes(&submission->frames, &head, sizeof head);
    ipc_encode(&submission->frames, message, value);
    head.length = submission->frames.length - start - sizeof head;
    memcpy(submission->frames.data + start, &head, sizeof head);
}

static void send_kept_frames(struct submission *submission)
{
    const struct text *frames = &submission->frames;
    struct head head;

    submission->ticket = (struct ticket){0};
    for (size_t at = 0; at < frames->length; at += sizeof head + head.length) {
        memcpy(&head, frames->data + at, sizeof head);
        submission->broken = !call_send_later(submission->call, head.message, frames->data + at + sizeof head, head.length) ||
                             submission->broken;
    }
}

static void send_or_keep(struct submission *submission, const struct ipc_message *message, const void *value)
{
    if (submission->call == NULL)
        keep_frame(submission, message, value);
    else
        submission->broken = !ipc_send_later(submission->call, message, value) || submission->broken;
}

/* ---- where the message goes ---- */

/* What streams has a channel to itself: it would hold up others. What is at hand as a whole shares one with them, and goes to
 * cleanup together with theirs. */
static bool start(struct submission *submission, bool alone, struct error *error)
{
    struct deadline deadline = deadline_in(submission->mail->ipc_timeout);
    struct channel *channel = (alone ? channel_pool_lease : channel_pool_shared)(submission->pool->channels, deadline, error);

    if (channel == NULL)
        return false;
    if (alone)
        submission->channel = channel;
    submission->call = call_open(channel);
    send_kept_frames(submission);
    return true;
}

/* Later than at the start there is nobody to tell why. */
static void start_late(struct submission *submission, bool alone)
{
    struct error error;

    if (submission->call != NULL || start(submission, alone, &error))
        return;
    submission->broken = true;
    log_warning(NULL, "%s: %s", submission->queue_id, error.text);
}

/* ---- the envelope ---- */

static bool receive_queue_id(struct submission *submission, struct error *error)
{
    struct arena *arena = arena_new();
    struct cleanup_queue_id answer;
    bool good = ipc_receive(submission->call, &ipc_cleanup_queue_id, &answer, arena,
                            deadline_in(submission->mail->ipc_timeout)) &&
                queue_id_valid(answer.queue_id);

    if (good)
        snprintf(submission->queue_id, sizeof submission->queue_id, "%s", answer.queue_id);
    arena_free(arena);
    return good || error_set(error, "%s: no queue file was begun", IPC_SOCKET_CLEANUP);
}

static void use_ticket(struct submission *submission, const struct cleanup_open *open)
{
    struct cleanup_open with_ticket = *open;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    queue_id_make(submission->mail->enable_long_queue_ids, &now, (ino_t)submission->ticket.inode, submission->queue_id);
    with_ticket.ticket = submission->ticket.inode;
    with_ticket.queue_id = submission->queue_id;
    keep_frame(submission, &ipc_cleanup_open, &with_ticket);
}

static bool ask_for_file(struct submission *submission, const struct cleanup_open *open, struct error *error)
{
    if (!start(submission, true, error))
        return false;
    ipc_send(submission->call, &ipc_cleanup_open, open);
    return receive_queue_id(submission, error);
}

struct submission *submission_open(struct submission_pool *pool, const struct mail_config *mail,
                                   const struct cleanup_open *open, struct error *error)
{
    struct submission *submission = memory_new(sizeof *submission);

    submission->pool = pool;
    submission->mail = mail;
    if (tickets_take(&pool->tickets, clock_monotonic(), &submission->ticket)) {
        use_ticket(submission, open);
    } else if (!ask_for_file(submission, open, error)) {
        submission_abandon(submission);
        return NULL;
    }
    return submission;
}

struct submission *submission_open_drop(const struct mail_config *mail, const struct cleanup_open *open,
                                        struct error *error)
{
    struct drop *drop = drop_open(mail, open, error);
    struct submission *submission;

    if (drop == NULL)
        return NULL;
    submission = memory_new(sizeof *submission);
    submission->mail = mail;
    submission->drop = drop;
    return submission;
}

const char *submission_queue_id(const struct submission *submission)
{
    return submission->drop != NULL ? drop_queue_id(submission->drop) : submission->queue_id;
}

void submission_recipient(struct submission *submission, const struct cleanup_recipient *recipient)
{
    if (submission->drop != NULL)
        drop_recipient(submission->drop, recipient);
    else
        send_or_keep(submission, &ipc_cleanup_recipient, recipient);
}

void submission_route(struct submission *submission, const char *filter, const char *redirect)
{
    struct cleanup_route route = {.filter = filter, .redirect = redirect};

    if (submission->drop == NULL) /* nothing of that kind can be said in maildrop */
        send_or_keep(submission, &ipc_cleanup_route, &route);
}

/* ---- the content ---- */

static void send_content(struct submission *submission)
{
    const struct text *content = &submission->content;

    for (size_t at = 0; at < content->length && !submission->broken; at += CONTENT_FRAME) {
        size_t left = content->length - at;

        submission->broken = !call_send(submission->call, IPC_CLEANUP_CONTENT, content->data + at,
                                        left < CONTENT_FRAME ? left : CONTENT_FRAME);
    }
    text_clear(&submission->content);
}

struct text *submission_text(struct submission *submission)
{
    return &submission->content;
}

bool submission_extended(struct submission *submission)
{
    struct text *content = &submission->content;

    if (submission->drop != NULL) {
        drop_content(submission->drop, text_string(content), content->length);
        text_clear(content);
    } else if (submission->broken) {
        text_clear(content);
    } else if (content->length >= CONTENT_FRAME) {
        start_late(submission, true);
        send_content(submission);
    }
    return !submission->broken;
}

bool submission_content(struct submission *submission, const char *bytes, size_t length)
{
    text_append_bytes(&submission->content, bytes, length);
    return submission_extended(submission);
}

/* ---- the end ---- */

static void free_submission(struct submission *submission)
{
    if (submission->call != NULL)
        call_close(submission->call);
    if (submission->channel != NULL)
        channel_pool_return(submission->pool->channels, submission->channel);
    tickets_put(&submission->pool->tickets, submission->ticket);
    text_free(&submission->frames);
    text_free(&submission->content);
    free(submission);
}

static void free_drop(struct submission *submission)
{
    text_free(&submission->content);
    free(submission);
}

static bool end_message(struct submission *submission, const struct cleanup_end *end, struct arena *arena,
                        struct cleanup_status *status)
{
    start_late(submission, false);
    send_content(submission);
    return !submission->broken && ipc_send_last(submission->call, &ipc_cleanup_end, end) &&
           ipc_receive(submission->call, &ipc_cleanup_status, status, arena, deadline_in(submission->mail->ipc_timeout));
}

void submission_end(struct submission *submission, int64_t flags, const char *reason, struct arena *arena,
                    struct cleanup_status *status)
{
    const struct cleanup_end end = {.flags = flags, .reason = reason, .ticket_wanted = true};

    if (submission->drop != NULL) {
        drop_end(submission->drop, arena, status);
        free_drop(submission);
        return;
    }
    if (!end_message(submission, &end, arena, status))
        *status = (struct cleanup_status){.code = 451, .dsn = "4.3.0", .reason = "Error: queue file write error"};
    tickets_put(&submission->pool->tickets, (struct ticket){.inode = status->ticket, .since = clock_monotonic()});
    free_submission(submission);
}

void submission_abandon(struct submission *submission)
{
    if (submission->drop == NULL) {
        free_submission(submission);
        return;
    }
    drop_abandon(submission->drop);
    free_drop(submission);
}
