/* tlsrpt - counts how TLS to other domains' servers fares, and reports it to those that ask for it: RFC 8460. */
#include <string.h>

#include "mail/address/address.h"
#include "tlsrpt/collector.h"
#include "tlsrpt/sender.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct tlsrpt_config, __VA_ARGS__)
#include "tlsrpt/tlsrpt.def"
#undef PARAMETER
};

static const struct parameter_set tlsrpt_parameters = PARAMETER_SET(parameters, struct tlsrpt_config);

static bool tlsrpt_start(struct service_environment *environment, struct error *error)
{
    const struct tlsrpt_config *config = environment->parameters;
    struct tlsrpt *tlsrpt = memory_new(sizeof *tlsrpt);

    environment->state = tlsrpt;
    tlsrpt->environment = environment;
    tlsrpt->config = config;
    tlsrpt->reporter = (struct tlsrpt_reporter){config->tlsrpt_organization_name, config->tlsrpt_contact_info};
    tlsrpt->submitter = address_domain(config->tlsrpt_from_address);
    if (!address_valid(config->tlsrpt_from_address, false) || tlsrpt->submitter == NULL)
        return error_set(error, "tlsrpt_from_address = %s: it must be an address like postmaster@example.com",
                         config->tlsrpt_from_address);
    if (*config->tlsrpt_sender != '\0' && !address_valid(config->tlsrpt_sender, false))
        return error_set(error, "tlsrpt_sender = %s: it must be empty, or an address like postmaster@example.com",
                         config->tlsrpt_sender);
    return true;
}

/* The file belongs to mail_owner; where nothing is counted there is none. */
static bool tlsrpt_ready(struct service_environment *environment, struct error *error)
{
    struct tlsrpt *tlsrpt = environment->state;

    if (tlsrpt_counts_exist(environment->mail->data_directory) && !collector_open_counts(tlsrpt, error))
        return false;
    tlsrpt->dns = dns_new(&(struct dns_settings){.servers = environment->mail->dns_servers}, error);
    if (tlsrpt->dns == NULL)
        return false;
    tlsrpt->cleanup = submission_pool_new();
    tlsrpt->sender = sender_new(tlsrpt);
    tlsrpt->collector = collector_new(tlsrpt);
    return true;
}

static void count(struct tlsrpt *tlsrpt, struct call *call, const struct frame *frame, struct arena *arena)
{
    struct tlsrpt_result result;
    struct tlsrpt_noted answer;

    if (!ipc_decode(frame->body, frame->length, &ipc_tlsrpt_result, &result, arena)) {
        log_warning(NULL, "damaged request");
        return;
    }
    answer.counted = collector_add(tlsrpt->collector, &result);
    ipc_send_last(call, &ipc_tlsrpt_noted, &answer);
}

static void send_now(struct tlsrpt *tlsrpt, struct call *call, const struct frame *frame, struct arena *arena)
{
    struct tlsrpt_send question;
    struct tlsrpt_sent answer;

    if (!ipc_decode(frame->body, frame->length, &ipc_tlsrpt_send, &question, arena)) {
        log_warning(NULL, "damaged request");
        return;
    }
    sender_hurry(tlsrpt->sender, question.domain, &answer);
    ipc_send_last(call, &ipc_tlsrpt_sent, &answer);
}

static void tlsrpt_call(struct service_environment *environment, struct call *call)
{
    struct arena *arena = arena_new();
    struct frame frame;

    if (call_receive(call, &frame, deadline_in(environment->mail->ipc_timeout)) == CALL_OK) {
        if (frame.message == IPC_tlsrpt_result)
            count(environment->state, call, &frame, arena);
        else if (frame.message == IPC_tlsrpt_send)
            send_now(environment->state, call, &frame, arena);
        else
            log_warning(NULL, "unknown request");
    }
    arena_free(arena);
}

/* master's wake-up is there so that the process runs: reports may wait from before it was started. */
static void tlsrpt_trigger(struct service_environment *environment, const char *requests, size_t count)
{
    (void)environment, (void)requests, (void)count;
}

static void tlsrpt_drain(struct service_environment *environment)
{
    const struct tlsrpt *tlsrpt = environment->state;

    if (tlsrpt->sender != NULL)
        sender_drain(tlsrpt->sender);
}

static bool tlsrpt_busy(struct service_environment *environment)
{
    const struct tlsrpt *tlsrpt = environment->state;

    return tlsrpt->sender != NULL && (sender_busy(tlsrpt->sender) || collector_busy(tlsrpt->collector));
}

static const struct service tlsrpt = {
    .name = "tlsrpt",
    .parameters = &tlsrpt_parameters,
    .start = tlsrpt_start,
    .ready = tlsrpt_ready,
    .call = tlsrpt_call,
    .trigger = tlsrpt_trigger,
    .protocol = IPC_PROTOCOL_TLSRPT,
    .drain = tlsrpt_drain,
    .busy = tlsrpt_busy,
    .keep_running = true,
};

int main(int argc, char **argv)
{
    return service_main(&tlsrpt, argc, argv);
}
