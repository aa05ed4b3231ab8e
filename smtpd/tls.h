/* tls - TLS in smtpd: what the process offers, and STARTTLS (RFC 3207). */
#ifndef SMTPD_TLS_H
#define SMTPD_TLS_H

#include "mail/tls/key_files.h"
#include "mail/tls/server_names.h"
#include "mail/tls/ticket_keys.h"
#include "smtpd/session.h"

enum smtpd_tls_level { SMTPD_TLS_NONE, SMTPD_TLS_MAY, SMTPD_TLS_ENCRYPT };

struct smtpd_tls {
    enum smtpd_tls_level level;
    struct tls_context *context; /* NULL: it could not be made, the log says why */
    struct tls_protocols protocols;
    const char *ciphers;
    enum tls_ask ask;            /* for a client's certificate; TLS_REQUIRE: a trusted one */
    bool wrapped;                /* smtpd_tls_wrappermode */
    bool without_keys;           /* smtpd_tls_cert_file = none: anonymous ciphers only */
    struct private_files *files; /* behind the two below */
    struct key_files *keys;
    struct server_names *names;
    struct ticket_keys *tickets; /* NULL: sessions are not resumed by tickets */
    bool privileged; /* at the start */
    bool cached; /* smtpd_tls_session_cache_database */
    duration session_lifetime;
    struct table_list *relay_clientcerts;
};

/* Sets smtpd->tls; reads the keys, so while privileged. What is wrong with files is logged, and clients are told 454;
 * what is wrong with main.cf is an error. */
bool smtpd_tls_setup(struct smtpd *smtpd, struct error *error);

/* Privileges are dropped: no core file may hold keys from now on. */
bool smtpd_tls_protect(struct service_environment *environment, struct error *error);

/* Puts the keys as they are now into the context, perhaps after waiting. False: there are none, or no context. */
bool smtpd_tls_ready(struct smtpd_tls *tls);

/* STARTTLS is announced and taken. */
bool smtpd_tls_offered(const struct smtp_session *session);
/* The security level is encrypt, and the client has not begun TLS. AUTH is not announced or taken then, nor when this is
 * false and smtpd_tls_auth_only says that session->tls may not be NULL. */
bool smtpd_tls_missing(const struct smtp_session *session);

/* The handshake. False: the session is over, and all is logged. */
bool smtpd_tls_begin(struct smtp_session *session);

/* Whether what the client showed counts as its certificate: a certificate that came in this handshake or in the one that
 * this session goes on from. */
bool smtpd_tls_has_certificate(const struct smtp_session *session);

/* smtpd_tls_received_header: lines for Received:, each with LF and TAB before it; or nothing. */
void smtpd_tls_append_received(const struct smtp_session *session, struct text *header);

#endif
