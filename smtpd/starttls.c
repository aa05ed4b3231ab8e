/* STARTTLS: RFC 3207. */
#include <string.h>

#include "mail/tls/server_names.h"
#include "mail/tls/session_cache.h"
#include "smtpd/auth.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"
#include "smtpd/tls.h"

bool smtpd_tls_offered(const struct smtp_session *session)
{
    return session->smtpd->tls != NULL && session->tls == NULL && (session->discarded & EHLO_STARTTLS) == 0;
}

bool smtpd_tls_missing(const struct smtp_session *session)
{
    return session->smtpd->tls != NULL && session->smtpd->tls->level == SMTPD_TLS_ENCRYPT && session->tls == NULL;
}

bool smtpd_tls_has_certificate(const struct smtp_session *session)
{
    return session->tls != NULL && session->tls->certificate;
}

/* ---- the handshake ---- */

/* The keys for the name that the client asks for. */
static struct tls_credentials *find_name(void *context, const char *name, bool *refuse)
{
    struct smtp_session *session = context;
    struct tls_credentials *found = NULL;

    if (!server_name_valid(name)) {
        log_warning(NULL, "TLS SNI from %s is invalid: %s", session->client.identity, name);
        return NULL;
    }
    switch (server_names_find(session->smtpd->tls->names, name, &found)) {
    case TABLE_FOUND: return found;
    case TABLE_ERROR: *refuse = true; return NULL;
    default:
        log_info(NULL, "TLS SNI %s from %s not matched, using default chain", name, session->client.identity);
        return NULL;
    }
}

/* ---- sessions of clients without tickets ---- */

/* As tickets are, a session is for the service that made it; OpenSSL looks at that too. */
static char *session_key(const struct smtp_session *session, const char *id)
{
    return arena_format(session->arena, "%s %s", session->smtpd->environment->service_name, id);
}

static bool find_session(void *context, const char *id, struct text *bytes)
{
    return session_cache_find("smtpd", session_key(context, id), bytes);
}

static void keep_session(void *context, const char *id, const void *bytes, size_t length)
{
    struct smtp_session *session = context;

    session_cache_keep("smtpd", session_key(session, id), bytes, length, session->smtpd->tls->session_lifetime);
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
    const struct smtpd_config *config = session->smtpd->config;

    if (peer->certificate && peer->trust < TLS_TRUSTED && session->smtpd->tls->ask == TLS_REQUIRE &&
        config->smtpd_tls_loglevel >= TLS_LOG_SUMMARY)
        log_info(NULL, "certificate verification failed for %s: %s", session->client.identity, peer->verify_error);
    if (config->smtpd_tls_loglevel >= TLS_LOG_SUMMARY)
        log_info(NULL, "%s TLS connection established from %s%s%s: %s%s%s", peer->trust_word, session->client.identity,
                 *peer->server_name != '\0' ? " to " : "", peer->server_name, peer->agreed,
                 *peer->details != '\0' ? " " : "", peer->details);
}

/* smtpd_tls_req_ccert. */
static bool certificate_accepted(struct smtp_session *session)
{
    const char *complaint = NULL;

    if (session->smtpd->tls->ask != TLS_REQUIRE)
        return true;
    if (!session->tls->certificate)
        complaint = "No client certificate presented";
    else if (session->tls->trust < TLS_TRUSTED)
        complaint = "Client certificate not trusted";
    if (complaint == NULL)
        return true;
    log_info(&session->log, "abort: TLS from %s: %s", session->client.identity, complaint);
    stream_fill(session->stream, 1); /* it reads the answer to its next command */
    smtpd_reply(session, "421 4.7.1 %s Error: %s", session->smtpd->mail->myhostname, complaint);
    session->failed = false; /* STARTTLS itself went well */
    return false;
}

/* RFC 3207 section 4.2: what was said before counts no more. */
static void forget_all(struct smtp_session *session)
{
    session_end_transaction(session);
    auth_forget(session);
    session->helo = NULL;
    session->protocol = "SMTP";
    session->extended = false;
}

static enum tls_result shake_hands(struct smtp_session *session, struct tls_peer *peer, struct error *error)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct smtpd_tls *tls = session->smtpd->tls;
    struct tls_handshake handshake = {.log_level = (int)config->smtpd_tls_loglevel,
                                      .peer = session->client.identity,
                                      .protocols = tls->protocols,
                                      .ask = tls->ask == TLS_REQUIRE ? TLS_ASK : tls->ask,
                                      .sni = server_names_empty(tls->names) ? NULL : find_name,
                                      .sni_context = session,
                                      .bind = session->smtpd->logins != NULL};

    if (tls->cached) {
        handshake.find_session = find_session;
        handshake.keep_session = keep_session;
        handshake.sessions_context = session;
    }
    if (tls->tickets != NULL)
        ticket_keys_refresh(tls->tickets);
    if (config->smtpd_tls_loglevel >= TLS_LOG_STEPS)
        log_info(NULL, "setting up TLS connection from %s", session->client.identity);
    handshake.deadline = deadline_in(config->smtpd_starttls_timeout);
    return tls_accept(tls->context, session->stream, &handshake, session->arena, peer, error);
}

bool smtpd_tls_begin(struct smtp_session *session)
{
    struct tls_peer *peer = arena_alloc(session->arena, sizeof *peer);
    enum tls_result result;
    struct error error;

    client_wait(session);
    result = shake_hands(session, peer, &error);
    if (result != TLS_OK) {
        log_failure(session, result, &error);
        session->failed = session->closing = true;
        if (result != TLS_CANCELLED)
            stream_fail(session->stream, STREAM_EOF, 0); /* for the log a connection that was lost, whatever the reason */
        return false;
    }
    session->tls = peer;
    session->tls_name = *peer->server_name != '\0' ? peer->server_name : NULL;
    session->binding = mail_tls_binding(peer, session->arena);
    log_success(session);
    forget_all(session);
    return limits_allow_tls_session(session, peer->resumed) && certificate_accepted(session);
}

void smtpd_starttls(struct smtp_session *session, const char *arguments)
{
    struct smtpd_tls *tls = session->smtpd->tls;

    if (*arguments != '\0') {
        smtpd_reply(session, "501 5.5.4 Syntax: STARTTLS");
    } else if (session->tls != NULL) {
        smtpd_reply(session, "554 5.5.1 Error: TLS already active");
    } else if (!smtpd_tls_offered(session)) {
        smtpd_reply(session, "502 5.5.1 Error: command not implemented");
    } else if (!smtpd_tls_ready(tls)) {
        smtpd_reply(session, "454 4.7.0 TLS not available due to local problem");
    } else if (limits_allow_handshake(session)) {
        smtpd_reply(session, "220 2.0.0 Ready to start TLS");
        smtpd_tls_begin(session);
    }
}

/* ---- Received: ---- */

/* The details, broken before " server-signature" or " client-signature" where Postfix breaks them. */
static void append_details(const char *details, struct text *header)
{
    const char *client = strstr(details, " client-signature");

    if (*details == '\0')
        return;
    text_append_format(header, "\n\t %.*s", client != NULL ? (int)(client - details) : (int)strlen(details), details);
    if (client != NULL)
        text_append_format(header, "\n\t%s", client);
}

void smtpd_tls_append_received(const struct smtp_session *session, struct text *header)
{
    const struct tls_peer *peer = session->tls;

    if (peer == NULL || !session->smtpd->config->smtpd_tls_received_header)
        return;
    text_append_format(header, "\n\t(using %s", peer->agreed);
    append_details(peer->details, header);
    text_append_char(header, ')');
    if (peer->certificate)
        text_append_format(header, "\n\t(Client CN \"%s\", Issuer \"%s\" (%s))", peer->subject_cn, peer->issuer_cn,
                           peer->trust >= TLS_TRUSTED ? "verified OK" : "not verified");
    else
        text_append_format(header, "\n\t(%s)", peer->asked ? "Client did not present a certificate"
                                                           : "No client certificate requested");
}
