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
};

/* While privileged. Never NULL but for what is wrong in main.cf: see error. */
struct smtp_tls *smtp_tls_new(const struct config *main_cf, const struct smtp_config *config, bool lmtp,
                              struct error *error);

/* After EHLO, or (wrapped) before the greeting: begins TLS when the policy wants it and the server has it. False: the
 * session is of no use; trouble says why. *begun: EHLO has to be said again. */
bool smtp_tls_secure(struct smtp_session *session, const struct smtp_tls_policy *policy, bool wrapped, bool *begun,
                     struct arena *arena, struct smtp_trouble *trouble);

#endif
