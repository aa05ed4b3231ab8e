#include "smtp/deliver.h"

#include <string.h>

#include "smtp/auth.h"
#include "smtp/cache.h"
#include "smtp/destination.h"
#include "smtp/host_policy.h"
#include "smtp/requiretls.h"
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
    const struct smtp_trouble *trouble;   /* the last; NULL: none */
    const char *tls_level;                /* of the host at hand, for the log; NULL: not known */
    const char *tls_status;               /* how TLS was used with it, for the log; NULL: not logged */
    bool told;                            /* how servers fared so far has been logged */
    bool relaxed;                         /* TLS-Required: no: TLS is of no matter */
    enum smtp_requiretls requiretls;      /* what the message demands of servers of the item at hand */
    struct smtp_trouble *violation;       /* the last server that did not do so; NULL: none */
    const char *violation_status;         /* for the log */
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

/* What was said of a host stays, whatever is said of the next. */
static void keep_trouble(struct attempt *attempt, const struct smtp_trouble *trouble)
{
    struct smtp_trouble *kept = arena_alloc(attempt->delivery->arena, sizeof *kept);

    *kept = *trouble;
    attempt->trouble = kept;
}

/* session: the one that is used; NULL: none is. */
static void note_tls(struct attempt *attempt, const char *level, const struct smtp_session *session)
{
    struct arena *arena = attempt->delivery->arena;

    attempt->tls_level = level;
    if (!attempt->client->config->log_tls_feature_status)
        return;
    attempt->tls_status = smtp_tls_status(level, session, arena);
    if (attempt->requiretls != REQUIRETLS_NOTHING)
        attempt->tls_status = arena_format(arena, "%s/%s", attempt->tls_status, smtp_requiretls_status(session));
}

/* Runs the message over the session, and keeps or ends it. */
static enum transaction_status use_session(struct attempt *attempt, struct smtp_session *session)
{
    struct delivery *delivery = attempt->delivery;
    struct transaction_terms terms;
    enum transaction_status status;

    note_tls(attempt, arena_copy(delivery->arena, session->tls_level), session);
    attempt->told = false;
    terms = (struct transaction_terms){
        .tls_status = attempt->tls_status,
        .requiretls = attempt->requiretls != REQUIRETLS_NOTHING && smtp_requiretls_offered(session)};
    session->uses++;
    delivery->times.connected = clock_wall();
    status = smtp_transaction_run(session, delivery, &terms, attempt->refusals, &attempt->trouble);
    if (status == TRANSACTION_STALE) {
        session->dead = true;
        attempt->trouble = NULL;
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

    while ((session = smtp_cache_take(attempt->client->cache, attempt->destination, purpose, attempt->requiretls)) !=
           NULL)
        if (use_session(attempt, session) != TRANSACTION_STALE)
            return;
}

/* How the server before fared is worth a line when another one is asked; of the last, each recipient's line tells. */
static void log_failures(struct attempt *attempt)
{
    const struct delivery *delivery = attempt->delivery;
    const char *last = NULL;

    if (attempt->told)
        return;
    attempt->told = true;
    if (attempt->trouble != NULL && attempt->trouble->relay != NULL)
        log_info(&delivery->log, "%s", attempt->trouble->reason.text);
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
                                         const struct smtp_purpose *purpose, struct smtp_trouble *trouble)
{
    static const struct smtp_tls_policy in_the_clear = {.level = SMTP_TLS_NONE, .identity = "none"};
    struct arena *arena = attempt->delivery->arena;
    struct smtp_purpose unencrypted = *purpose;
    bool handshake_failed;
    struct smtp_session *session =
        smtp_session_open(attempt->client, host, purpose, arena, trouble, &handshake_failed);

    unencrypted.policy = &in_the_clear;
    if (session == NULL && handshake_failed && may_go_without_tls(attempt, purpose->policy))
        session = smtp_session_open(attempt->client, host, &unencrypted, arena, trouble, &handshake_failed);
    if (session != NULL)
        session->tls_level = arena_copy(session->arena, attempt->tls_level);
    return session;
}

/* The host does not do what REQUIRETLS demands: it gets no mail, but another one may. */
static void pass_over(struct attempt *attempt, const struct smtp_host *host, const char *lack, bool connected)
{
    struct arena *arena = attempt->delivery->arena;

    if (attempt->violation != NULL)
        log_info(&attempt->delivery->log, "%s", attempt->violation->reason.text);
    else
        attempt->violation = arena_alloc(arena, sizeof *attempt->violation);
    smtp_requiretls_refuse(lack, smtp_host_peer(host, arena), attempt->violation);
    attempt->violation->relay = connected ? smtp_host_relay(host, arena) : NULL;
    if (attempt->client->config->log_tls_feature_status)
        attempt->violation_status = arena_format(arena, "%s/!requiretls:%s", attempt->tls_level, lack);
    if (connected) {
        attempt->sessions++;
        attempt->had_session = true;
    }
}

/* How much TLS the host has to have. */
static bool find_host_policy(struct attempt *attempt, const char *item, const struct smtp_tls_policy *nexthop,
                             const struct smtp_host *host, struct smtp_tls_policy *policy, struct smtp_trouble *trouble)
{
    struct arena *arena = attempt->delivery->arena;

    *policy = *nexthop;
    if (!attempt->relaxed && !smtp_host_policy(attempt->client, item, nexthop, host, arena, policy, trouble))
        return false;
    note_tls(attempt, smtp_tls_status_level(nexthop, policy, arena), NULL);
    return true;
}

/* NULL: lack tells what REQUIRETLS demands and the host does not do; when that is NULL, trouble tells. */
static struct smtp_session *open_fit_session(struct attempt *attempt, const struct smtp_host *host,
                                             const struct smtp_purpose *purpose, const char **lack,
                                             struct smtp_trouble *trouble)
{
    struct smtp_tls_policy policy = *purpose->policy;
    struct smtp_purpose here = *purpose;
    struct smtp_session *session;

    here.policy = &policy;
    *lack = smtp_requiretls_policy_lack(attempt->requiretls, &policy);
    if (*lack != NULL)
        return NULL;
    if (attempt->requiretls == REQUIRETLS_ENCRYPTED && policy.level == SMTP_TLS_MAY)
        policy.level = SMTP_TLS_ENCRYPT;
    session = open_session(attempt, host, &here, trouble);
    if (session == NULL) {
        *lack = smtp_requiretls_trouble_lack(attempt->requiretls, trouble);
        return NULL;
    }
    *lack = smtp_requiretls_session_lack(attempt->requiretls, session);
    if (*lack == NULL)
        return session;
    trouble->relay = arena_copy(attempt->delivery->arena, session->relay);
    smtp_session_close(session);
    return NULL;
}

static void connect_to_host(struct attempt *attempt, const struct smtp_host *host, const struct smtp_purpose *purpose,
                            struct smtp_trouble *trouble)
{
    const char *lack = NULL;
    struct smtp_session *session = open_fit_session(attempt, host, purpose, &lack, trouble);

    attempt->delivery->times.connected = clock_wall();
    if (session != NULL) {
        use_session(attempt, session);
    } else if (lack != NULL) {
        pass_over(attempt, host, lack, trouble->relay != NULL);
    } else {
        keep_trouble(attempt, trouble);
        attempt->told = trouble->relay == NULL;
        if (attempt->told)
            log_info(NULL, "%s", trouble->reason.text);
    }
}

/* A session from the cache has been there. */
static bool already_asked(const struct attempt *attempt, const struct smtp_host *host)
{
    return net_address_equal(&attempt->asked, &host->address) &&
           net_address_port(&attempt->asked) == net_address_port(&host->address);
}

/* trouble: room for what goes wrong. */
static void try_host(struct attempt *attempt, const char *item, const struct smtp_host *host,
                     const struct smtp_purpose *purpose, struct smtp_trouble *trouble)
{
    struct smtp_tls_policy policy;
    struct smtp_purpose here = *purpose;

    log_failures(attempt);
    here.policy = &policy;
    *trouble = (struct smtp_trouble){0};
    if (!find_host_policy(attempt, item, purpose->policy, host, &policy, trouble)) {
        smtp_tls_report_host(attempt->client, &here, host, trouble);
        log_warning(NULL, "TLS policy lookup for %s/%s: %s", item, host->name, trouble->reason.text);
        keep_trouble(attempt, trouble);
        attempt->told = true;
        return;
    }
    if (smtp_host_policy_varies(purpose->policy))
        try_kept_sessions(attempt, &here);
    if (!all_settled(attempt->delivery) && !enough_sessions(attempt) && !already_asked(attempt, host))
        connect_to_host(attempt, host, &here, trouble);
}

/* True: no other host can change the outcome. */
static bool trouble_is_final(const struct attempt *attempt)
{
    return attempt->trouble != NULL && attempt->trouble->dsn != NULL && *attempt->trouble->dsn == '5';
}

/* What is set wrong has to be mended before any server is talked to. trouble: with what the lookup said. */
static bool misconfigured(const char *what, const char *item, struct smtp_trouble *trouble)
{
    log_warning(NULL, "%s lookup for %s: %s", what, item, trouble->reason.text);
    *trouble = (struct smtp_trouble){.dsn = "4.7.5"};
    return error_set(&trouble->reason, "client TLS configuration problem");
}

/* Mail that goes whatever TLS is like (RFC 8689 section 5) says nothing of how it is; and so reports breed no reports. */
static const char *report_domain(const struct attempt *attempt, const char *item)
{
    if ((attempt->delivery->request.sendopts & SENDOPT_TLS_REQUIRED_NO) != 0)
        return NULL;
    return smtp_tls_report_domain(attempt->client, item, attempt->delivery->arena);
}

/* False: the policies cannot be known. */
static bool look_up_policies(struct attempt *attempt, const char *item, struct smtp_tls_policy *policy,
                             struct smtp_trouble *trouble)
{
    const struct smtp_client *client = attempt->client;
    struct arena *arena = attempt->delivery->arena;
    int64_t sendopts = attempt->delivery->request.sendopts;
    bool required = (sendopts & SENDOPT_REQUIRETLS) != 0 && client->mail->requiretls_enable, known;

    attempt->tls_status = NULL;
    attempt->relaxed = !required && (sendopts & SENDOPT_TLS_REQUIRED_NO) != 0;
    if (!(attempt->relaxed ? smtp_tls_policy_relaxed : smtp_tls_policy_find)(client, item, arena, policy, &trouble->reason))
        return misconfigured("TLS policy", item, trouble);
    attempt->requiretls = required ? REQUIRETLS_ENFORCED : REQUIRETLS_NOTHING;
    known = !required || smtp_requiretls_find(client, item, &attempt->requiretls, &trouble->reason);
    note_tls(attempt, smtp_tls_level_name(policy->level), NULL);
    if (!known)
        return misconfigured("REQUIRETLS policy", item, trouble);
    return attempt->relaxed || smtp_host_policy_varies(policy) || smtp_sts_find(client, item, arena, policy, trouble);
}

/* Not inlined: the trouble is large, and would lie on the stack for as long as servers are waited for. */
static __attribute__((noinline)) bool find_policies(struct attempt *attempt, const char *item, struct smtp_tls_policy *policy)
{
    struct smtp_trouble trouble;

    if (look_up_policies(attempt, item, policy, &trouble))
        return true;
    keep_trouble(attempt, &trouble);
    return false;
}

static void try_item(struct attempt *attempt, const char *item)
{
    const struct smtp_config *config = attempt->client->config;
    const struct delivery_request *request = &attempt->delivery->request;
    struct smtp_trouble *trouble;
    struct smtp_tls_policy policy;
    const struct smtp_purpose purpose = {.nexthop = request->nexthop, .sender = request->sender,
                                         .owner = smtp_login_owner(attempt->client, request->sender), .policy = &policy,
                                         .report_domain = report_domain(attempt, item)};
    struct smtp_hosts hosts;

    if (!find_policies(attempt, item, &policy))
        return;
    if (!smtp_host_policy_varies(&policy))
        try_kept_sessions(attempt, &purpose);
    if (all_settled(attempt->delivery) || enough_sessions(attempt))
        return;
    trouble = arena_alloc(attempt->delivery->arena, sizeof *trouble);
    if (!destination_lookup(attempt->client, item, attempt->delivery->arena, &hosts, trouble)) {
        keep_trouble(attempt, trouble);
        return;
    }
    attempt->local_mx = attempt->local_mx || hosts.local_mx;
    destination_limit(&hosts, (size_t)config->mx_address_limit, config->balance_inet_protocols);
    for (size_t i = 0; i < hosts.count && !enough_sessions(attempt); i++) {
        if (already_asked(attempt, &hosts.hosts[i]))
            continue;
        try_host(attempt, item, &hosts.hosts[i], &purpose, trouble);
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

/* Nobody took the mail for them. When all servers were passed over it goes back; when one could not be asked, it may turn
 * out to be a better one. */
static void settle_rest(struct attempt *attempt)
{
    static const struct smtp_trouble none;
    struct delivery *delivery = attempt->delivery;
    const struct smtp_trouble *last = attempt->trouble != NULL ? attempt->trouble : &none;
    bool violated = attempt->violation != NULL && last->dsn == NULL;
    const struct smtp_trouble *trouble = violated ? attempt->violation : last;
    struct delivery_result common = {
        .relay = trouble->relay,
        .tls = violated ? attempt->violation_status : attempt->tls_status,
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
