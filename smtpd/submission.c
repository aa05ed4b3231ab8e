#include "smtpd/submission.h"

#include <stdlib.h>

#include "util/base/memory.h"

enum { CONTENT_FRAME = 32 * 1024 };

struct submission {
    struct smtpd *smtpd;
    struct channel *channel;
    struct call *call;
    struct text content; /* not sent yet */
    char *queue_id;
    bool broken;
};

/* ---- the envelope ---- */

static void add_attribute(struct arena *arena, struct ipc_strings *attributes, const char *name, const char *value)
{
    attributes->items[attributes->count++] = arena_format(arena, "%s=%s", name, value);
}

/* In the order in which Postfix has them in its files. */
static void describe_client(struct smtp_session *session, struct arena *arena, struct ipc_strings *attributes)
{
    const struct client *client = &session->client;
    const char *helo = session->helo != NULL ? session->helo : "";
    char server[NET_ADDRESS_SIZE];

    attributes->items = arena_alloc(arena, 20 * sizeof *attributes->items);
    add_attribute(arena, attributes, "log_client_name", client->name.name);
    add_attribute(arena, attributes, "log_client_address", client->address_text);
    add_attribute(arena, attributes, "log_client_port", client->port);
    add_attribute(arena, attributes, "log_message_origin", client->identity);
    if (*helo != '\0')
        add_attribute(arena, attributes, "log_helo_name", helo);
    add_attribute(arena, attributes, "log_protocol_name", session->protocol);
    add_attribute(arena, attributes, "client_name", client->name.name);
    add_attribute(arena, attributes, "reverse_client_name", client->name.reverse_name);
    add_attribute(arena, attributes, "client_address", client->address_text);
    add_attribute(arena, attributes, "client_port", client->port);
    add_attribute(arena, attributes, "server_address", net_address_print(&session->server, server));
    add_attribute(arena, attributes, "server_port", arena_format(arena, "%u", net_address_port(&session->server)));
    if (*helo != '\0')
        add_attribute(arena, attributes, "helo_name", helo);
    add_attribute(arena, attributes, "protocol_name", session->protocol);
    add_attribute(arena, attributes, "client_address_type",
                  net_address_family(&client->address) == AF_INET6 ? "6" : "4");
}

static bool begin_message(struct submission *submission, struct smtp_session *session, struct arena *arena)
{
    const struct transaction *transaction = session->transaction;
    struct cleanup_open open = {.flags = submission->smtpd->cleanup_flags,
                                .sender = transaction->sender,
                                .arrival_time = clock_wall(),
                                .encoding = transaction->encoding,
                                .sendopts = transaction->sendopts,
                                .dsn_envid = transaction->dsn_envid,
                                .dsn_ret = transaction->dsn_ret,
                                .filter = submission->smtpd->config->content_filter,
                                .client = session->client.identity,
                                .helo = session->helo != NULL ? session->helo : "",
                                .protocol = session->protocol,
                                .queue = "incoming"};
    struct cleanup_queue_id answer;

    open.rewrite_context = session->local_rewrite ? "local" : "remote";
    describe_client(session, arena, &open.attributes);
    if (!ipc_send(submission->call, &ipc_cleanup_open, &open) ||
        !ipc_receive(submission->call, &ipc_cleanup_queue_id, &answer, arena,
                     deadline_in(submission->smtpd->mail->ipc_timeout)) ||
        *answer.queue_id == '\0')
        return false;
    submission->queue_id = memory_copy_string(answer.queue_id);
    return true;
}

struct submission *submission_open(struct smtp_session *session)
{
    struct submission *submission;
    struct error error;
    struct channel *channel = channel_pool_lease(session->smtpd->cleanup, deadline_in(session->smtpd->mail->ipc_timeout),
                                                 &error);
    struct arena *arena;
    bool begun;

    if (channel == NULL) {
        log_warning(NULL, "%s", error.text);
        return NULL;
    }
    submission = memory_new(sizeof *submission);
    submission->smtpd = session->smtpd;
    submission->channel = channel;
    submission->call = call_open(channel);
    arena = arena_new();
    begun = begin_message(submission, session, arena);
    arena_free(arena);
    if (begun)
        return submission;
    log_warning(NULL, "cleanup did not begin a queue file");
    submission_abandon(submission);
    return NULL;
}

const char *submission_queue_id(const struct submission *submission)
{
    return submission->queue_id;
}

void submission_recipient(struct submission *submission, const struct recipient *recipient)
{
    struct cleanup_recipient message = {.address = recipient->address,
                                        .original = "",
                                        .dsn_orig_rcpt = recipient->dsn_orig_rcpt,
                                        .dsn_notify = recipient->dsn_notify};

    submission->broken = !ipc_send(submission->call, &ipc_cleanup_recipient, &message) || submission->broken;
}

void submission_route(struct submission *submission, const char *filter, const char *redirect)
{
    struct cleanup_route route = {.filter = filter, .redirect = redirect};

    submission->broken = !ipc_send(submission->call, &ipc_cleanup_route, &route) || submission->broken;
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
    channel_pool_return(submission->smtpd->cleanup, submission->channel);
    text_free(&submission->content);
    free(submission->queue_id);
    free(submission);
}

void submission_end(struct submission *submission, int64_t flags, const char *reason, struct arena *arena,
                    struct cleanup_status *status)
{
    struct cleanup_end end = {.flags = flags, .reason = reason};
    struct deadline deadline = deadline_in(submission->smtpd->mail->ipc_timeout);

    send_content(submission);
    if (!ipc_send(submission->call, &ipc_cleanup_end, &end) ||
        !ipc_receive(submission->call, &ipc_cleanup_status, status, arena, deadline))
        *status = (struct cleanup_status){.code = 451, .dsn = "4.3.0", .reason = "Error: queue file write error"};
    free_submission(submission);
}

void submission_abandon(struct submission *submission)
{
    free_submission(submission);
}
