/* tls - TLS in smtpd: what the process offers, and STARTTLS (RFC 3207). */
#ifndef SMTPD_TLS_H
#define SMTPD_TLS_H

#include "smtpd/session.h"
#include "util/net/tls.h"

enum smtpd_tls_level { SMTPD_TLS_NONE, SMTPD_TLS_MAY, SMTPD_TLS_ENCRYPT };

struct smtpd_tls {
    enum smtpd_tls_level level;
    struct tls_context *context; /* NULL: it could not be made, the log says why */
    struct tls_protocols protocols;
    const char *ciphers;
    enum tls_ask ask;
    bool wrapped; /* smtpd_tls_wrappermode */
};

/* Sets smtpd->tls; reads the keys, so while privileged. What is wrong with files is logged, and clients are told 454; what
 * is wrong with main.cf is an error. */
bool smtpd_tls_setup(struct smtpd *smtpd, struct error *error);

/* STARTTLS is announced and taken; AUTH may ask this too. */
bool smtpd_tls_offered(const struct smtp_session *session);
/* smtpd_tls_security_level = encrypt, and the client has not begun it yet. */
bool smtpd_tls_missing(const struct smtp_session *session);

/* The handshake. False: the session is over, and all is logged. */
bool smtpd_tls_begin(struct smtp_session *session);

/* What Received: tells of it, lines with LF: "\n\t(using TLSv1.3 ...)", or nothing. */
void smtpd_tls_append_received(const struct smtp_session *session, struct text *header);

#endif
