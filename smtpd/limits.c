#include "smtpd/limits.h"

#include "smtpd/client.h"
#include "smtpd/reply.h"
#include "smtpd/tls.h"
#include "util/base/log.h"

#define PATIENCE (10 * SECONDS)         /* with an anvil that does not answer */
#define SILENCE (60 * SECONDS)          /* between two lines about that */

static long limit_of(const struct smtpd_config *config, enum anvil_kind kind)
{
    switch (kind) {
    case ANVIL_CONNECTION: return config->smtpd_client_connection_rate_limit;
    case ANVIL_MESSAGE: return config->smtpd_client_message_rate_limit;
    case ANVIL_RECIPIENT: return config->smtpd_client_recipient_rate_limit;
    case ANVIL_NEW_TLS: return config->smtpd_client_new_tls_session_rate_limit;
    case ANVIL_AUTH: return config->smtpd_client_auth_rate_limit;
    case ANVIL_KINDS: break;
    }
    return 0;
}

static bool any_limit(const struct smtpd_config *config)
{
    bool any = config->smtpd_client_connection_count_limit > 0;

    for (int kind = 0; kind < ANVIL_KINDS; kind++)
        any = any || limit_of(config, (enum anvil_kind)kind) > 0;
    return any;
}

/* By its address at once; by its name when that has been found out. */
static bool is_exempt(const struct smtp_session *session)
{
    const struct client *client = &session->client;
    struct error error;
    enum match_result result = match_list_client(session->smtpd->unlimited, client->name.name, &client->address, &error);

    if (result == MATCH_ERROR)
        log_warning(NULL, "smtpd_client_event_limit_exceptions: %s", error.text);
    return result != MATCH_NO;
}

/* ---- asking anvil ---- */

/* "smtp:192.0.2.1", "smtp:2001:db8::/84" */
static const char *make_ident(const struct smtp_session *session)
{
    const struct smtpd_config *config = session->smtpd->config;
    const struct net_address *address = &session->client.address;
    bool six = net_address_family(address) == AF_INET6;
    unsigned bits = (unsigned)(six ? config->smtpd_client_ipv6_prefix_length : config->smtpd_client_ipv4_prefix_length);
    struct net_cidr block = net_cidr_of(address, bits);
    char text[NET_ADDRESS_SIZE];

    return arena_format(session->arena, "%s:%s", session->smtpd->environment->service_name,
                        bits == (six ? 128 : 32) ? session->client.address_text : net_cidr_print(&block, text));
}

static void go_without(struct smtp_session *session, const char *reason)
{
    struct smtpd *smtpd = session->smtpd;

    limits_end(session);
    if (!deadline_passed(smtpd->anvil_silence))
        return;
    smtpd->anvil_silence = deadline_in(SILENCE);
    log_warning(NULL, "clients are not limited: %s", reason);
}

/* False: nobody knows. */
static bool ask(struct smtp_session *session, const struct anvil_event *event, struct anvil_answer *answer)
{
    struct arena *arena;
    bool answered;

    if (session->counted == NULL)
        return false;
    arena = arena_new();
    answered = ipc_send(session->counted, &ipc_anvil_event, event) &&
               ipc_receive(session->counted, &ipc_anvil_answer, answer, arena, deadline_in(PATIENCE));
    arena_free(arena);
    if (!answered)
        go_without(session, "anvil does not answer");
    return answered;
}

static bool connect_to_anvil(struct smtp_session *session)
{
    struct error error;
    struct channel *channel = channel_pool_shared(channel_pool_process(IPC_SOCKET_ANVIL, IPC_PROTOCOL_ANVIL),
                                                  deadline_in(PATIENCE), &error);

    if (channel == NULL) {
        go_without(session, error.text);
        return false;
    }
    session->counted = call_open(channel);
    return true;
}

/* ---- too much ---- */

static void log_excess(struct smtp_session *session, const char *what, int64_t count)
{
    client_wait(session);
    log_warning(NULL, "%s limit exceeded: %lld from %s for service %s", what, (long long)count, session->client.identity,
                session->smtpd->environment->service_name);
}

/* A client that waits for TLS would not understand. */
static void turn_away(struct smtp_session *session, const char *what, const char *client)
{
    const struct smtpd_tls *tls = session->smtpd->tls;

    session->closing = true;
    if (tls != NULL && tls->wrapped && session->tls == NULL)
        return;
    smtpd_reply_and_close(session, "421 4.7.0 %s Error: too many %s from %s", session->smtpd->mail->myhostname, what,
                          client);
}

/* True: the client does more of that than it may; the log tells. */
static bool exceeds(struct smtp_session *session, enum anvil_kind kind, bool only_asks, const char *what)
{
    const struct anvil_event event = {.kind = kind, .ident = "", .only_asks = only_asks};
    long limit = limit_of(session->smtpd->config, kind);
    struct anvil_answer answer;

    if (limit == 0 || !ask(session, &event, &answer) || answer.rate <= limit)
        return false;
    log_excess(session, what, answer.rate);
    return true;
}

/* ---- events ---- */

bool limits_begin(struct smtp_session *session)
{
    const struct smtpd_config *config = session->smtpd->config;
    long count_limit = config->smtpd_client_connection_count_limit, rate_limit = config->smtpd_client_connection_rate_limit;
    struct anvil_event event = {.kind = ANVIL_CONNECTION};
    struct anvil_answer answer;

    if (!session->client.by_network || session->smtpd->unchecked || !any_limit(config) || is_exempt(session) ||
        !connect_to_anvil(session))
        return true;
    event.ident = make_ident(session);
    if (!ask(session, &event, &answer))
        return true;
    if ((count_limit == 0 || answer.connections <= count_limit) && (rate_limit == 0 || answer.rate <= rate_limit))
        return true;
    client_wait(session);
    if (is_exempt(session)) {
        limits_end(session);
        return true;
    }
    if (count_limit > 0 && answer.connections > count_limit)
        log_excess(session, "Connection concurrency", answer.connections);
    else
        log_excess(session, "Connection rate", answer.rate);
    turn_away(session, "connections", session->client.address_text);
    return false;
}

void limits_end(struct smtp_session *session)
{
    if (session->counted != NULL)
        call_close(session->counted);
    session->counted = NULL;
}

bool limits_allow(struct smtp_session *session, enum anvil_kind kind)
{
    static const struct {
        const char *logged, *told;
    } words[ANVIL_KINDS] = {
        [ANVIL_MESSAGE] = {"Message delivery request rate", "too much mail"},
        [ANVIL_RECIPIENT] = {"Recipient address rate", "too many recipients"},
        [ANVIL_AUTH] = {"AUTH command rate", "too many AUTH commands"},
    };

    if (!exceeds(session, kind, false, words[kind].logged))
        return true;
    smtpd_reply(session, "450 4.7.1 Error: %s from %s", words[kind].told, session->client.address_text);
    return false;
}

bool limits_allow_handshake(struct smtp_session *session)
{
    if (!exceeds(session, ANVIL_NEW_TLS, true, "New TLS session rate"))
        return true;
    if (session->smtpd->tls->wrapped)
        turn_away(session, "new TLS sessions", session->client.identity);
    else
        smtpd_reply(session, "454 4.7.0 Error: too many new TLS sessions from %s", session->client.identity);
    return false;
}

bool limits_allow_tls_session(struct smtp_session *session, bool resumed)
{
    if (resumed || !exceeds(session, ANVIL_NEW_TLS, false, "New TLS session rate"))
        return true;
    turn_away(session, "new TLS sessions", session->client.identity);
    return false;
}
