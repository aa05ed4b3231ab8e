#include "smtp/tls_report.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/ascii_name.h"
#include "util/net/tls.h"

/* More than these on their way at once say that tlsrpt does not keep up. */
enum { UNDER_WAY_LIMIT = 1000 };

static const duration answer_limit = 10 * SECONDS, pause_after_failure = 60 * SECONDS;

struct smtp_reporter {
    smtp_reporter_told_fn *told;
    void *context;
    size_t under_way;
    bool away;              /* the log says so */
    struct deadline silent; /* after a failure: until then nothing is tried */
    size_t lost;
};

struct smtp_reporter *smtp_reporter_new(const struct smtp_client *client, smtp_reporter_told_fn *told, void *context)
{
    struct smtp_reporter *reporter;

    if (!client->config->smtp_tlsrpt_enable || client->lmtp)
        return NULL;
    if (*client->config->smtp_tlsrpt_socket_name != '\0')
        log_warning(NULL, "smtp_tlsrpt_socket_name has no effect: TLS results go to the tlsrpt service of this instance");
    reporter = memory_new(sizeof *reporter);
    reporter->told = told;
    reporter->context = context;
    reporter->silent = deadline_in(0);
    return reporter;
}

bool smtp_reporter_busy(const struct smtp_reporter *reporter)
{
    return reporter != NULL && reporter->under_way > 0;
}

const char *smtp_tls_report_domain(const struct smtp_client *client, const char *item, struct arena *arena)
{
    struct net_endpoint endpoint;
    struct error ignored;

    if (client->reporter == NULL || !net_endpoint_parse(item, client->default_port, &endpoint, &ignored) ||
        !destination_uses_mx(client, &endpoint))
        return NULL;
    return net_name_ascii(arena_copy(arena, endpoint.host), arena);
}

/* ---- how it ended ---- */

void smtp_tls_note(struct smtp_session *session, enum tls_failure failure, const char *reason)
{
    session->outcome = (struct smtp_tls_outcome){true, failure, arena_copy(session->arena, reason)};
}

enum tls_failure smtp_tls_failure(const struct smtp_tls_policy *policy, const struct tls_peer *peer)
{
    /* Fingerprints and TLSA records look at no more than the certificate: that it is another one is all there is to say. */
    if (policy->level == SMTP_TLS_FINGERPRINT)
        return TLS_FAILURE_VALIDATION;
    switch (peer->verify_reason) {
    case TLS_REASON_NAME: return TLS_FAILURE_CERTIFICATE_HOST_MISMATCH;
    case TLS_REASON_DATES: return TLS_FAILURE_CERTIFICATE_EXPIRED;
    case TLS_REASON_SELF_SIGNED:
    case TLS_REASON_UNTRUSTED_ISSUER: return TLS_FAILURE_CERTIFICATE_NOT_TRUSTED;
    default: return TLS_FAILURE_VALIDATION;
    }
}

/* A policy may be broken although the mail goes: STS in testing, or one that could not be had. */
void smtp_tls_note_peer(struct smtp_session *session, const struct smtp_tls_policy *policy, const struct tls_peer *peer,
                        bool good)
{
    if (!good || (policy->source == TLS_POLICY_STS && peer->trust != TLS_VERIFIED))
        smtp_tls_note(session, smtp_tls_failure(policy, peer),
                      *peer->verify_error != '\0' ? peer->verify_error : "the certificate is not for this host");
    else
        smtp_tls_note(session, policy->failure, policy->failure_reason != NULL ? policy->failure_reason : "");
}

/* ---- telling ---- */

struct telling {
    struct smtp_reporter *reporter;
    struct arena *arena;
    const struct tlsrpt_result *result;
};

static void note_answer(struct smtp_reporter *reporter, bool answered, const struct error *error)
{
    if (answered && reporter->away)
        log_info(NULL, "the tlsrpt service is back; %zu TLS results were not counted", reporter->lost);
    else if (!answered && !reporter->away)
        log_warning(NULL, "TLS results are not counted for reports: %s (is the service tlsrpt in master.cf?)", error->text);
    if (!answered)
        reporter->silent = deadline_in(pause_after_failure);
    reporter->lost = answered ? 0 : reporter->lost + 1;
    reporter->away = !answered;
}

static void tell(void *argument)
{
    struct telling *telling = argument;
    struct smtp_reporter *reporter = telling->reporter;
    struct tlsrpt_noted answer;
    struct error error;
    bool answered = ipc_ask(channel_pool_process(IPC_SOCKET_TLSRPT, IPC_PROTOCOL_TLSRPT), &ipc_tlsrpt_result, telling->result,
                            &ipc_tlsrpt_noted, &answer, telling->arena, deadline_in(answer_limit), &error);

    note_answer(reporter, answered, &error);
    arena_free(telling->arena);
    free(telling);
    if (--reporter->under_way == 0)
        reporter->told(reporter->context);
}

/* In a task of its own, so that the mail goes on. */
static void begin_telling(struct smtp_reporter *reporter, const struct tlsrpt_result *result)
{
    struct telling *telling;

    if (!deadline_passed(reporter->silent) || reporter->under_way >= UNDER_WAY_LIMIT) {
        reporter->lost++;
        return;
    }
    telling = memory_new(sizeof *telling);
    telling->reporter = reporter;
    telling->arena = arena_new();
    telling->result = ipc_copy(&ipc_tlsrpt_result, result, telling->arena);
    reporter->under_way++;
    task_start(tell, telling);
}

/* ---- what is told ---- */

static struct ipc_strings strings(const char *const *items, struct arena *arena)
{
    struct ipc_strings copy = {.count = 0};

    while (items != NULL && items[copy.count] != NULL)
        copy.count++;
    copy.items = arena_alloc(arena, (copy.count + 1) * sizeof *copy.items);
    for (size_t i = 0; i < copy.count; i++)
        copy.items[i] = items[i];
    return copy;
}

/* A failure to learn of a policy says itself of which kind it would have been. */
static enum tls_policy_type policy_type(const struct smtp_tls_policy *policy, enum tls_failure failure)
{
    switch (failure) {
    case TLS_FAILURE_TLSA_INVALID:
    case TLS_FAILURE_DNSSEC_INVALID:
    case TLS_FAILURE_DANE_REQUIRED: return TLS_POLICY_TLSA;
    case TLS_FAILURE_STS_POLICY_FETCH:
    case TLS_FAILURE_STS_POLICY_INVALID:
    case TLS_FAILURE_STS_WEBPKI_INVALID: return TLS_POLICY_STS;
    default: return policy->source;
    }
}

static const char *own_address(const struct smtp_session *session, struct arena *arena)
{
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    struct net_address address;
    char buffer[NET_ADDRESS_SIZE];

    if (getsockname(stream_fd(session->stream), (struct sockaddr *)&local, &length) != 0)
        return "";
    address = net_address_from_socket((const struct sockaddr *)&local, length);
    return arena_copy(arena, net_address_print(&address, buffer));
}

static void begin_result(struct tlsrpt_result *result, const struct smtp_purpose *purpose, enum tls_failure failure,
                         const char *reason, struct arena *arena)
{
    const struct smtp_tls_policy *policy = purpose->policy;

    *result = (struct tlsrpt_result){.domain = purpose->report_domain,
                                     .policy_type = policy_type(policy, failure),
                                     .policy_lines = strings(policy->source_lines, arena),
                                     .mx_patterns = strings(policy->mx_patterns, arena),
                                     .failure = failure,
                                     .reason = reason};
}

void smtp_tls_report_session(const struct smtp_session *session, const struct smtp_purpose *purpose)
{
    const struct smtp_client *client = session->client;
    char address[NET_ADDRESS_SIZE];
    struct tlsrpt_result result;
    struct arena *arena;

    if (purpose->report_domain == NULL || !session->outcome.known ||
        (session->tls != NULL && session->tls->resumed && client->config->smtp_tlsrpt_skip_reused_handshakes))
        return;
    arena = arena_new();
    begin_result(&result, purpose, session->outcome.failure, session->outcome.reason, arena);
    if (result.failure != TLS_FAILURE_NONE) {
        result.sending_address = own_address(session, arena);
        result.receiving_host = session->host;
        result.receiving_address = net_address_print(&session->address, address);
        result.receiving_helo = session->helo;
    }
    begin_telling(client->reporter, &result);
    arena_free(arena);
}

void smtp_tls_report_host(const struct smtp_client *client, const struct smtp_purpose *purpose, const struct smtp_host *host,
                          const struct smtp_trouble *trouble)
{
    enum tls_failure failure = purpose->policy->failure;
    char address[NET_ADDRESS_SIZE];
    struct tlsrpt_result result;
    struct arena *arena;

    if (purpose->report_domain == NULL || failure == TLS_FAILURE_NONE)
        return;
    arena = arena_new();
    begin_result(&result, purpose, failure, trouble->reason.text, arena);
    result.receiving_host = host->name;
    result.receiving_address = net_address_print(&host->address, address);
    begin_telling(client->reporter, &result);
    arena_free(arena);
}
