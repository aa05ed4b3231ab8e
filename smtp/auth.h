/* auth - logging in to a server before mail is sent: RFC 4954, for SMTP and LMTP. */
#ifndef SMTP_AUTH_H
#define SMTP_AUTH_H

#include "smtp/session.h"

/* What smtp_sasl_auth_enable needs; hangs on the client. NULL and no error: logins are not enabled. */
struct smtp_logins;
bool smtp_logins_open(struct smtp_client *client, const struct config *main_cf, struct error *error);

/* After EHLO: logs in, if the server offers it and there is a name and password for it. nexthop is the destination as
 * the queue manager names it, sender the message's. False: trouble says why. */
bool smtp_log_in(struct smtp_session *session, const char *nexthop, const char *sender, struct arena *arena,
                 struct smtp_trouble *trouble);

/* For whose mail alone a session may be used again: the sender's, when who logs in depends on him, else "". */
const char *smtp_login_owner(const struct smtp_client *client, const char *sender);

#endif
