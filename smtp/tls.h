/* tls - TLS in the SMTP client: what the process has for it, STARTTLS (RFC 3207), and wrapper mode. */
#ifndef SMTP_TLS_H
#define SMTP_TLS_H

#include "mail/tls/key_files.h"
#include "mail/tls/mail_tls.h"
#include "smtp/requiretls.h"
#include "smtp/session.h"
#include "smtp/tls_policy.h"
#include "util/table/table.h"

struct smtp_tls {
    const struct tls_parameters *parameters;
    struct tls_context *context; /* NULL: it could not be made; the log says why */
    struct tls_context *public_context; /* that trusts the system's CAs too; NULL: so does context, or nobody asks for it */
    struct private_files *files;
    struct key_files *keys;
    struct table_list *policies; /* smtp_tls_policy_maps */
    struct smtp_requiretls_policy *requiretls;
    duration session_lifetime;   /* 0: no session is kept */
    enum smtp_tls_level insecure_mx; /* smtp_tls_dane_insecure_mx_policy */
};

/* While privileged. Never NULL but for what is wrong in main.cf: see error. */
struct smtp_tls *smtp_tls_new(const struct config *main_cf, const struct smtp_config *config, bool lmtp,
                              struct error *error);

/* After EHLO, or (wrapped) before the greeting: begins TLS when the policy wants it and the server has it. False: the
 * session is of no use; trouble says why. *begun: EHLO has to be said again. */
bool smtp_tls_secure(struct smtp_session *session, const struct smtp_tls_policy *policy, bool wrapped, bool *begun,
                     struct arena *arena, struct smtp_trouble *trouble);

/* ---- its parts, for tls.c and posttls-finger ---- */

/* What the policy asks of the session's server, and the context that it asks for. match is filled too and has to live as
 * long as the handshake; sessions that may be resumed are the caller's. */
struct tls_context *smtp_tls_prepare(const struct smtp_session *session, const struct smtp_tls_policy *policy,
                                     struct arena *arena, struct tls_match *match, struct tls_handshake *handshake);
/* After a handshake: whether the server may have the mail. What it proved counts for less where its name can be forged. */
bool smtp_tls_judge(const struct smtp_tls_policy *policy, struct tls_peer *peer);

/* tls_log.c: the lines about a handshake; why one failed, why the server is not trusted, what was agreed. */
void smtp_tls_log_failure(const struct smtp_session *session, enum tls_result result, const struct error *error);
void smtp_tls_log_distrust(const struct smtp_session *session, const struct tls_peer *peer);
void smtp_tls_log_agreed(const struct smtp_session *session, const struct tls_peer *peer);

#endif
