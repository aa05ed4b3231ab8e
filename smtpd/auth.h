/* auth - who a client is: AUTH (RFC 4954) with a login server of mail/sasl. */
#ifndef SMTPD_AUTH_H
#define SMTPD_AUTH_H

#include "smtpd/session.h"

/* smtpd_sasl_auth_enable and all that belongs to it. A login server that cannot be had is logged: then nobody can log
 * in, and mail comes in all the same. False: see error. */
bool auth_setup(struct smtpd *smtpd, struct error *error);

/* EHLO: appends "AUTH PLAIN LOGIN\n" if the client may log in. */
void auth_announce(struct smtp_session *session, struct text *lines);

/* Who logged in is forgotten: after STARTTLS. */
void auth_forget(struct smtp_session *session);

/* Takes what may be a password out of input that is to be logged: what follows AUTH. */
void auth_hide(const struct smtp_session *session, struct text *input);

/* ", sasl_method=PLAIN, sasl_username=joe, sasl_sender=...", with the separator given; nothing when nobody has logged
 * in. */
void auth_append_log(const struct smtp_session *session, const char *separator, struct text *line);

#endif
