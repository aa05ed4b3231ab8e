#include "mail/submit/submission.h"

#include <stdlib.h>

#include "mail/submit/drop.h"
#include "util/base/memory.h"

enum { CONTENT_FRAME = 32 * 1024, IDLE_CHANNELS = 100 };

struct submission {
    struct channel_pool *pool;
    const struct mail_config *mail;
    struct channel *channel;
    struct call *call;
    struct text content; /* not sent yet */
    char *queue_id;
    bool broken;
    struct drop *drop; /* not NULL: this is what the message goes into, and nothing else here is used */
};

struct channel_pool *submission_pool_new(void)
{
    return channel_pool_new(IPC_SOCKET_CLEANUP, IPC_PROTOCOL_CLEANUP, IDLE_CHANNELS);
}

/* ---- the envelope ---- */

static bool begin_message(struct submission *submission, const struct cleanup_open *open)
{
    struct deadline deadline = deadline_in(submission->mail->ipc_timeout);
    struct arena *arena = arena_new();
    struct cleanup_queue_id answer;
    bool begun = ipc_send(submission->call, &ipc_cleanup_open, open) &&
                 ipc_receive(submission->call, &ipc_cleanup_queue_id, &answer, arena, deadline) &&
                 *answer.queue_id != '\0';

    if (begun)
        submission->queue_id = memory_copy_string(answer.queue_id);
    arena_free(arena);
    return begun;
}

struct submission *submission_open(struct channel_pool *pool, const struct mail_config *mail,
                                   const struct cleanup_open *open, struct error *error)
{
    struct channel *channel = channel_pool_lease(pool, deadline_in(mail->ipc_timeout), error);
    struct submission *submission;

    if (channel == NULL)
        return NULL;
    submission = memory_new(sizeof *submission);
    submission->pool = pool;
    submission->mail = mail;
    submission->channel = channel;
    submission->call = call_open(channel);
    if (begin_message(submission, open))
        return submission;
    error_set(error, "%s: no queue file was begun", IPC_SOCKET_CLEANUP);
    submission_abandon(submission);
    return NULL;
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
        submission->broken = !ipc_send_later(submission->call, &ipc_cleanup_recipient, recipient) || submission->broken;
}

void submission_route(struct submission *submission, const char *filter, const char *redirect)
{
    struct cleanup_route route = {.filter = filter, .redirect = redirect};

    if (submission->drop == NULL) /* nothing of that kind can be said in maildrop */
        submission->broken = !ipc_send_later(submission->call, &ipc_cleanup_route, &route) || submission->broken;
}

/* ---- the content ---- */

static void send_content(struct submission *submission)
{
    if (submission->content.length == 0)
        return;
    submission->broken = submission->broken || !call_send(submission->call, IPC_CLEANUP_CONTENT,
                                                          submission->content.data, submission->content.length);
    text_clear(&submission->content);
}

bool submission_content(struct submission *submission, const char *bytes, size_t length)
{
    if (submission->drop != NULL) {
        drop_content(submission->drop, bytes, length);
        return true;
    }
    if (submission->broken)
        return false;
    text_append_bytes(&submission->content, bytes, length);
    if (submission->content.length >= CONTENT_FRAME)
        send_content(submission);
    return !submission->broken;
}

/* ---- the end ---- */

static void free_submission(struct submission *submission)
{
    call_close(submission->call);
    channel_pool_return(submission->pool, submission->channel);
    text_free(&submission->content);
    free(submission->queue_id);
    free(submission);
}

void submission_end(struct submission *submission, int64_t flags, const char *reason, struct arena *arena,
                    struct cleanup_status *status)
{
    struct cleanup_end end = {.flags = flags, .reason = reason};
    struct deadline deadline = deadline_in(submission->mail->ipc_timeout);

    if (submission->drop != NULL) {
        drop_end(submission->drop, arena, status);
        free(submission);
        return;
    }
    send_content(submission);
    if (!ipc_send_last(submission->call, &ipc_cleanup_end, &end) ||
        !ipc_receive(submission->call, &ipc_cleanup_status, status, arena, deadline))
        *status = (struct cleanup_status){.code = 451, .dsn = "4.3.0", .reason = "Error: queue file write error"};
    free_submission(submission);
}

void submission_abandon(struct submission *submission)
{
    if (submission->drop == NULL) {
        free_submission(submission);
        return;
    }
    drop_abandon(submission->drop);
    free(submission);
}
