/* STARTTLS: RFC 3207. */
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"
#include "smtpd/tls.h"

bool smtpd_tls_offered(const struct smtp_session *session)
{
    return session->smtpd->tls != NULL && session->tls == NULL && (session->discarded & EHLO_STARTTLS) == 0;
}

bool smtpd_tls_missing(const struct smtp_session *session)
{
    return session->smtpd->tls != NULL && session->smtpd->tls->level == SMTPD_TLS_ENCRYPT && session->tls == NULL;
}

static void log_failure(const struct smtp_session *session, enum tls_result result, const struct error *error)
{
    const char *identity = session->client.identity;

    switch (result) {
    case TLS_TIMEOUT: log_info(NULL, "SSL_accept error from %s: Connection timed out", identity); break;
    case TLS_LOST: log_info(NULL, "SSL_accept error from %s: lost connection", identity); break;
    case TLS_FAILED:
        log_info(NULL, "SSL_accept error from %s: -1", identity);
        log_warning(NULL, "TLS library problem: %s", error->text);
        break;
    default: break;
    }
}

static void log_success(const struct smtp_session *session)
{
    const struct tls_peer *peer = session->tls;

    if (session->smtpd->config->smtpd_tls_loglevel >= TLS_LOG_SUMMARY)
        log_info(NULL, "%s TLS connection %s from %s%s%s: %s%s%s", peer->trust_word, peer->resumed ? "reused" : "established",
                 session->client.identity, *peer->server_name != '\0' ? " to " : "", peer->server_name, peer->agreed,
                 *peer->details != '\0' ? " " : "", peer->details);
}

/* RFC 3207 section 4.2: what was said before counts no more. */
static void forget_all(struct smtp_session *session)
{
    session_end_transaction(session);
    session->helo = NULL;
    session->protocol = "SMTP";
    session->extended = false;
}

bool smtpd_tls_begin(struct smtp_session *session)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct smtpd_tls *tls = session->smtpd->tls;
    struct tls_handshake handshake = {.log_level = (int)config->smtpd_tls_loglevel,
                                      .deadline = deadline_in(config->smtpd_starttls_timeout),
                                      .protocols = tls->protocols,
                                      .ciphers = tls->ciphers,
                                      .ask = tls->ask};
    struct tls_peer *peer = arena_alloc(session->arena, sizeof *peer);
    enum tls_result result;
    struct error error;

    client_wait(session);
    handshake.peer = session->client.identity;
    if (config->smtpd_tls_loglevel >= TLS_LOG_STEPS)
        log_info(NULL, "setting up TLS connection from %s", session->client.identity);
    result = tls_accept(tls->context, session->stream, &handshake, session->arena, peer, &error);
    if (result != TLS_OK) {
        log_failure(session, result, &error);
        session->failed = session->closing = true;
        return false;
    }
    session->tls = peer;
    log_success(session);
    forget_all(session);
    return true;
}

void smtpd_starttls(struct smtp_session *session, const char *arguments)
{
    if (session->tls != NULL) {
        smtpd_reply(session, "554 5.5.1 Error: TLS already active");
    } else if (session->smtpd->tls == NULL || (session->discarded & EHLO_STARTTLS) != 0) {
        smtpd_reply(session, "502 5.5.1 Error: command not implemented");
    } else if (*arguments != '\0') {
        smtpd_reply(session, "501 5.5.4 Syntax: STARTTLS");
    } else if (session->smtpd->tls->context == NULL) {
        smtpd_reply(session, "454 4.7.0 TLS not available due to local problem");
    } else {
        smtpd_reply(session, "220 2.0.0 Ready to start TLS");
        smtpd_tls_begin(session);
    }
}
