/* What the bounce services are told. */
#include <stdio.h>

#include "mail/delivery/delivery.h"

enum { ANSWER_SECONDS = 600, SOCKET_PATH_SIZE = 100 };

static bool ask_service(const char *service, const struct ipc_message *message, const void *question,
                        struct arena *arena, struct error *error)
{
    struct bounce_reply reply;
    char path[SOCKET_PATH_SIZE];

    snprintf(path, sizeof path, "private/%s", service);
    if (!ipc_ask(channel_pool_process(path, IPC_PROTOCOL_BOUNCE), message, question, &ipc_bounce_reply, &reply, arena,
                 deadline_in(ANSWER_SECONDS * SECONDS), error))
        return error_prefix(error, "service %s: ", service);
    if (reply.failed != 0)
        return error_set(error, "service %s: %s", service, reply.reason);
    return true;
}

bool delivery_record(const char *service, const char *queue_id, int64_t arrival_time,
                     const struct message_recipient *recipient, const char *action,
                     const struct delivery_result *result, struct arena *arena, struct error *error)
{
    const struct bounce_append append = {
        .queue_id = queue_id,
        .recipient = recipient->address,
        .original = recipient->original,
        .dsn_orig_rcpt = recipient->dsn_orig_rcpt,
        .dsn_notify = recipient->dsn_notify,
        .offset = recipient->offset,
        .action = action,
        .dsn = result->dsn,
        .reason = result->reason,
        .diag_type = result->diagnostic_type,
        .diag_text = result->diagnostic,
        .mta_type = result->remote_mta != NULL ? "dns" : "",
        .mta_name = result->remote_mta,
        .relay = result->relay,
        .arrival_time = arrival_time,
    };

    return ask_service(service, &ipc_bounce_append, &append, arena, error);
}

bool delivery_flush(const char *service, const struct bounce_flush *flush, struct arena *arena, struct error *error)
{
    return ask_service(service, &ipc_bounce_flush, flush, arena, error);
}
