/* bounce - keeps logs of undelivered, delayed and reported recipients, and sends notifications. Run as the services
 * bounce, defer and trace. */
#include <string.h>

#include "bounce/bounce.h"
#include "mail/submit/submission.h"
#include "util/base/memory.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct bounce_config, __VA_ARGS__)
#include "bounce/bounce.def"
#undef PARAMETER
};

static const struct parameter_set bounce_parameters = PARAMETER_SET(parameters, struct bounce_config);

static bool bounce_start(struct service_environment *environment, struct error *error)
{
    struct bouncer *bouncer = memory_new(sizeof *bouncer);
    const struct mail_config *mail = environment->mail;

    environment->state = bouncer;
    bouncer->environment = environment;
    bouncer->mail = mail;
    bouncer->config = environment->parameters;
    bouncer->layout = environment->layout;
    bouncer->cleanup = submission_pool_new();
    bouncer->log_queue = QUEUE_BOUNCE;
    if (strcmp(environment->service_name, mail->defer_service_name) == 0)
        bouncer->log_queue = QUEUE_DEFER;
    else if (strcmp(environment->service_name, mail->trace_service_name) == 0)
        bouncer->log_queue = QUEUE_TRACE;
    else if (strcmp(environment->service_name, mail->bounce_service_name) != 0)
        return error_set(error, "service %s: bounce runs as %s, %s or %s", environment->service_name,
                         mail->bounce_service_name, mail->defer_service_name, mail->trace_service_name);
    if (!templates_load(bouncer->config->bounce_template_file, bouncer->templates, error))
        log_warning(NULL, "bounce_template_file: %s; using the built-in texts", error->text);
    return true;
}

static bool run_append(struct bouncer *bouncer, const struct frame *frame, struct arena *arena, struct error *error)
{
    struct bounce_append entry;

    if (!ipc_decode(frame->body, frame->length, &ipc_bounce_append, &entry, arena) || !queue_id_valid(entry.queue_id))
        return error_set(error, "damaged request");
    return bounce_log_append(bouncer, &entry, error);
}

static bool run_flush(struct bouncer *bouncer, const struct frame *frame, struct arena *arena, struct error *error)
{
    struct bounce_flush flush;

    if (!ipc_decode(frame->body, frame->length, &ipc_bounce_flush, &flush, arena) || !queue_id_valid(flush.queue_id) ||
        strchr(flush.queue_name, '/') != NULL)
        return error_set(error, "damaged request");
    return bounce_notify(bouncer, &flush, arena, error);
}

static void bounce_call(struct service_environment *environment, struct call *call)
{
    struct arena *arena = arena_new();
    struct frame frame;
    struct error error = {.text = "unknown request"};
    struct bounce_reply reply = {.failed = true};

    if (call_receive(call, &frame, deadline_in(environment->mail->ipc_timeout)) == CALL_OK) {
        if (frame.message == IPC_bounce_append)
            reply.failed = !run_append(environment->state, &frame, arena, &error);
        else if (frame.message == IPC_bounce_flush)
            reply.failed = !run_flush(environment->state, &frame, arena, &error);
        reply.reason = reply.failed ? error.text : "";
        if (reply.failed)
            log_warning(NULL, "%s", error.text);
        ipc_send_last(call, &ipc_bounce_reply, &reply);
    }
    arena_free(arena);
}

static const struct service bounce = {
    .name = "bounce",
    .parameters = &bounce_parameters,
    .start = bounce_start,
    .call = bounce_call,
    .protocol = IPC_PROTOCOL_BOUNCE,
};

int main(int argc, char **argv)
{
    return service_main(&bounce, argc, argv);
}
