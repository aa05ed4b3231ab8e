/* limits - how much one client may do: smtpd_client_*_limit. anvil counts, for all processes of the instance.
 *
 * Without anvil nobody is limited; the log says so now and then. Clients in smtpd_client_event_limit_exceptions are not
 * counted at all. */
#ifndef SMTPD_LIMITS_H
#define SMTPD_LIMITS_H

#include "smtpd/session.h"

/* The client has connected. False: it has too many connections; it was told, and the session ends. */
bool limits_begin(struct smtp_session *session);
void limits_end(struct smtp_session *session); /* it has gone */

/* Counts a message, a recipient or a login. False: too many; the client was told. */
bool limits_allow(struct smtp_session *session, enum anvil_kind kind);

/* Before and after a handshake; one that resumes a session is not counted. */
bool limits_allow_handshake(struct smtp_session *session);
bool limits_allow_tls_session(struct smtp_session *session, bool resumed);

#endif
