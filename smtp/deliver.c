#include "smtp/deliver.h"

#include <string.h>

#include "smtp/auth.h"
#include "smtp/cache.h"
#include "smtp/destination.h"
#include "smtp/host_policy.h"
#include "smtp/sts.h"
#include "smtp/tls_policy.h"
#include "smtp/tls_report.h"
#include "smtp/tls_status.h"
#include "smtp/transaction.h"

/* One delivery on its way from server to server. */
struct attempt {
    const struct smtp_client *client;
    struct delivery *delivery;
    struct smtp_destination *destination;
    struct transaction_refusal *refusals; /* by recipient */
    struct smtp_trouble trouble;          /* the last */
    const char *tls_level;                /* of the host at hand, for the log; NULL: not known */
    const char *tls_status;               /* how TLS was used with it, for the log; NULL: not logged */
    struct net_address asked;             /* by a session from the cache: not asked again */
    bool had_session;                     /* some server talked to us */
    bool local_mx;                        /* we are an MX: no fallback relay, it might send the mail back to us */
    long sessions;
};

static bool all_settled(const struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->recipient_count; i++)
        if (!delivery->settled[i])
            return false;
    return true;
}

/* session: the one that is used; NULL: none is. */
static void note_tls(struct attempt *attempt, const char *level, const struct smtp_session *session)
{
    attempt->tls_level = level;
    if (attempt->client->config->log_tls_feature_status)
        attempt->tls_status = smtp_tls_status(level, session, attempt->delivery->arena);
}

/* Runs the message over the session, and keeps or ends it. */
static enum transaction_status use_session(struct attempt *attempt, struct smtp_session *session)
{
    struct delivery *delivery = attempt->delivery;
    struct transaction_terms terms;
    enum transaction_status status;

    note_tls(attempt, arena_copy(delivery->arena, session->tls_level), session);
    terms = (struct transaction_terms){.tls_status = attempt->tls_status};
    session->uses++;
    delivery->times.connected = clock_wall();
    status = smtp_transaction_run(session, delivery, &terms, attempt->refusals, &attempt->trouble);
    if (status == TRANSACTION_STALE) {
        session->dead = true;
        attempt->trouble = (struct smtp_trouble){0};
        note_tls(attempt, attempt->tls_level, NULL);
    } else {
        attempt->sessions++;
        attempt->had_session = true;
        attempt->asked = session->address;
    }
    smtp_cache_keep(attempt->client->cache, attempt->destination, session);
    return status;
}

static void try_kept_sessions(struct attempt *attempt, const struct smtp_purpose *purpose)
{
    struct smtp_session *session;

    while ((session = smtp_cache_take(attempt->client->cache, attempt->destination, purpose)) != NULL)
        if (use_session(attempt, session) != TRANSACTION_STALE)
            return;
}

/* How the server before fared is worth a line when another one is asked; of the last, each recipient's line tells. */
static void log_failures(const struct attempt *attempt)
{
    const struct delivery *delivery = attempt->delivery;
    const char *last = NULL;

    if (attempt->trouble.relay != NULL)
        log_info(&delivery->log, "%s", attempt->trouble.reason.text);
    for (size_t i = 0; i < delivery->recipient_count; i++) {
        const char *reason = attempt->refusals[i].result.reason;

        if (!delivery->settled[i] && reason != NULL && reason != last)
            log_info(&delivery->log, "%s", reason);
        last = reason;
    }
}

static bool enough_sessions(const struct attempt *attempt)
{
    long limit = attempt->client->config->mx_session_limit;

    return limit > 0 && attempt->sessions >= limit;
}

/* Mail that has waited already goes in the clear, where that is allowed, to a server that cannot do TLS though it says so. */
static bool may_go_without_tls(const struct attempt *attempt, const struct smtp_tls_policy *policy)
{
    const struct delivery *delivery = attempt->delivery;

    return policy->level == SMTP_TLS_MAY &&
           clock_wall() - delivery->request.arrival_time >= delivery->environment->mail->minimal_backoff_time;
}

static struct smtp_session *open_session(struct attempt *attempt, const struct smtp_host *host,
                                         const struct smtp_purpose *purpose)
{
    static const struct smtp_tls_policy in_the_clear = {.level = SMTP_TLS_NONE, .identity = "none"};
    struct arena *arena = attempt->delivery->arena;
    struct smtp_purpose unencrypted = *purpose;
    bool handshake_failed;
    struct smtp_session *session =
        smtp_session_open(attempt->client, host, purpose, arena, &attempt->trouble, &handshake_failed);

    unencrypted.policy = &in_the_clear;
    if (session == NULL && handshake_failed && may_go_without_tls(attempt, purpose->policy))
        session = smtp_session_open(attempt->client, host, &unencrypted, arena, &attempt->trouble, &handshake_failed);
    if (session != NULL)
        session->tls_level = arena_copy(session->arena, attempt->tls_level);
    return session;
}

static void try_host(struct attempt *attempt, const struct smtp_host *host, const struct smtp_purpose *purpose)
{
    struct arena *arena = attempt->delivery->arena;
    struct smtp_tls_policy policy = *purpose->policy;
    struct smtp_purpose here = *purpose;
    struct smtp_session *session = NULL;

    log_failures(attempt);
    here.policy = &policy;
    if (smtp_host_policy(attempt->client, purpose->policy, host, arena, &policy, &attempt->trouble)) {
        note_tls(attempt, smtp_tls_status_level(purpose->policy, &policy, arena), NULL);
        session = open_session(attempt, host, &here);
    } else {
        smtp_tls_report_host(attempt->client, &here, host, &attempt->trouble);
    }
    attempt->delivery->times.connected = clock_wall();
    if (session != NULL)
        use_session(attempt, session);
    else if (attempt->trouble.relay == NULL)
        log_info(NULL, "%s", attempt->trouble.reason.text);
}

/* True: no other host can change the outcome. */
static bool trouble_is_final(const struct attempt *attempt)
{
    return attempt->trouble.dsn != NULL && *attempt->trouble.dsn == '5';
}

/* False: the policy cannot be known, and no server is talked to. */
static bool find_policy(struct attempt *attempt, const char *item, struct smtp_tls_policy *policy)
{
    struct arena *arena = attempt->delivery->arena;
    struct error error;

    attempt->tls_status = NULL;
    if (smtp_tls_policy_find(attempt->client, item, arena, policy, &error)) {
        note_tls(attempt, smtp_tls_level_name(policy->level), NULL);
        return smtp_sts_find(attempt->client, item, arena, policy, &attempt->trouble);
    }
    log_warning(NULL, "TLS policy lookup for %s: %s", item, error.text);
    attempt->trouble = (struct smtp_trouble){.dsn = "4.7.5"};
    error_set(&attempt->trouble.reason, "client TLS configuration problem");
    return false;
}

/* Mail that goes whatever TLS is like (RFC 8689 section 5) says nothing of how it is; and so reports breed no reports. */
static const char *report_domain(const struct attempt *attempt, const char *item)
{
    if ((attempt->delivery->request.sendopts & SENDOPT_TLS_REQUIRED_NO) != 0)
        return NULL;
    return smtp_tls_report_domain(attempt->client, item, attempt->delivery->arena);
}

static void try_item(struct attempt *attempt, const char *item)
{
    const struct smtp_config *config = attempt->client->config;
    const struct delivery_request *request = &attempt->delivery->request;
    struct smtp_trouble trouble = {0};
    struct smtp_tls_policy policy;
    const struct smtp_purpose purpose = {.nexthop = request->nexthop, .sender = request->sender,
                                         .owner = smtp_login_owner(attempt->client, request->sender), .policy = &policy,
                                         .report_domain = report_domain(attempt, item)};
    struct smtp_hosts hosts;

    if (!find_policy(attempt, item, &policy))
        return;
    try_kept_sessions(attempt, &purpose);
    if (all_settled(attempt->delivery) || enough_sessions(attempt))
        return;
    if (!destination_lookup(attempt->client, item, attempt->delivery->arena, &hosts, &trouble)) {
        attempt->trouble = trouble;
        return;
    }
    attempt->local_mx = attempt->local_mx || hosts.local_mx;
    destination_limit(&hosts, (size_t)config->mx_address_limit, config->balance_inet_protocols);
    for (size_t i = 0; i < hosts.count && !enough_sessions(attempt); i++) {
        const struct smtp_host *host = &hosts.hosts[i];

        if (net_address_equal(&attempt->asked, &host->address) &&
            net_address_port(&attempt->asked) == net_address_port(&host->address))
            continue;
        try_host(attempt, host, &purpose);
        if (all_settled(attempt->delivery) || trouble_is_final(attempt) || task_cancelled())
            return;
    }
}

static void try_list(struct attempt *attempt, const char *list)
{
    const char *item;

    while (!all_settled(attempt->delivery) && !enough_sessions(attempt) && !task_cancelled() &&
           (item = destination_next(&list, attempt->delivery->arena)) != NULL)
        try_item(attempt, item);
}

/* Nobody took the mail for them. */
static void settle_rest(struct attempt *attempt)
{
    struct delivery *delivery = attempt->delivery;
    const struct smtp_trouble *trouble = &attempt->trouble;
    struct delivery_result common = {
        .relay = trouble->relay,
        .tls = attempt->tls_status,
        .dsn = trouble->dsn != NULL ? trouble->dsn : "4.3.0",
        .reason = trouble->dsn != NULL ? trouble->reason.text : "no server to deliver to",
        .diagnostic_type = trouble->diagnostic != NULL ? "smtp" : NULL,
        .diagnostic = trouble->diagnostic,
        .remote_mta = trouble->remote_mta,
    };

    if (!attempt->had_session && *common.dsn == '4')
        delivery_site_failed(delivery, DELIVERY_SITE_FAILED, common.dsn, common.reason);
    for (size_t i = 0; i < delivery->recipient_count; i++)
        if (!delivery->settled[i])
            delivery_settle(delivery, i,
                            attempt->refusals[i].result.dsn != NULL ? &attempt->refusals[i].result : &common);
}

void smtp_deliver(const struct smtp_client *client, struct delivery *delivery)
{
    const char *nexthop = delivery->request.nexthop;
    struct attempt attempt = {
        .client = client,
        .delivery = delivery,
        .destination = smtp_cache_enter(client->cache, nexthop),
        .refusals = arena_alloc(delivery->arena, delivery->recipient_count * sizeof(struct transaction_refusal)),
    };

    try_list(&attempt, nexthop);
    if (!attempt.local_mx)
        try_list(&attempt, client->config->fallback_relay);
    settle_rest(&attempt);
    smtp_cache_leave(client->cache, attempt.destination);
}
