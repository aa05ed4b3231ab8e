/* client - who is at the other end. The name is looked up beside the session: the greeting never waits for it. */
#ifndef SMTPD_CLIENT_H
#define SMTPD_CLIENT_H

#include "smtpd/session.h"

/* Fills in the address and starts the lookup, which logs "connect from" when it is done. */
void client_begin(struct smtp_session *session, const struct service_session *service_session);

/* Waits until the name is known, or known not to be. */
void client_wait(struct smtp_session *session);

/* Makes the identity anew when name, address or port have changed. */
void client_identify(struct smtp_session *session);

/* Ends the lookup, however far it came; before the session goes. */
void client_end(struct smtp_session *session);

#endif
