/* requiretls - what a message that came with REQUIRETLS (RFC 8689) demands of a server: smtp_requiretls_policy.
 *
 * What a server or its TLS policy lacks has the word that stands in the log, "tls=may/!requiretls:nostarttls":
 * noencryption (the policy is without TLS), nostarttls, nocertmatch, none (no REQUIRETLS). */
#ifndef SMTP_REQUIRETLS_H
#define SMTP_REQUIRETLS_H

#include "smtp/session.h"
#include "smtp/tls_policy.h"
#include "smtp/trouble.h"

enum smtp_requiretls {
    REQUIRETLS_NOTHING,    /* the message did not come with it, or the policy is disable */
    REQUIRETLS_IF_OFFERED, /* opportunistic: it is passed on where it can be */
    REQUIRETLS_ENCRYPTED,  /* opportunistic+starttls: the same, and no server without TLS */
    REQUIRETLS_ENFORCED,   /* a verified server that offers it, or the message goes back */
};

struct smtp_requiretls_policy;

/* The policy as main.cf has it: words and tables. NULL: see error. */
struct smtp_requiretls_policy *smtp_requiretls_policy_new(const char *items, struct error *error);
void smtp_requiretls_policy_free(struct smtp_requiretls_policy *policy); /* NULL is fine */

/* What holds for one item of a next hop, "[mail.example]:25". False: a table cannot answer, or makes no sense. */
bool smtp_requiretls_find(const struct smtp_client *client, const char *item, enum smtp_requiretls *demand,
                          struct error *error);

/* What stands against a connection under that policy, against the use of that session, and against the server that
 * trouble is about. NULL: nothing. */
const char *smtp_requiretls_policy_lack(enum smtp_requiretls demand, const struct smtp_tls_policy *policy);
const char *smtp_requiretls_session_lack(enum smtp_requiretls demand, const struct smtp_session *session);
const char *smtp_requiretls_trouble_lack(enum smtp_requiretls demand, const struct smtp_trouble *trouble);

/* Can the session carry REQUIRETLS on? */
bool smtp_requiretls_offered(const struct smtp_session *session);

/* Says in trouble why the message has to go back. host: "mx.example[192.0.2.1]". */
void smtp_requiretls_refuse(const char *lack, const char *host, struct smtp_trouble *trouble);

/* What is logged behind the level of TLS, "requiretls:none". session: the one that was used; NULL: none was. */
const char *smtp_requiretls_status(const struct smtp_session *session);

#endif
