/* envelope - the arguments of MAIL and RCPT: KEYWORD:<path> parameters. */
#ifndef SMTPD_ENVELOPE_H
#define SMTPD_ENVELOPE_H

#include "smtpd/session.h"

/* The path behind "FROM" or "TO" and its colon, with blanks around it; NULL: there is none. */
const char *envelope_path(const char *arguments, const char *keyword);

/* The path as an address in internal form. False: it is none; logged. */
bool envelope_read_path(struct smtp_session *session, const char *command, const char *path, struct text *address,
                        const char **rest);
/* The same for RCPT, where the empty path is none either. */
bool envelope_read_recipient(struct smtp_session *session, const char *path, struct text *address, const char **rest);

/* "NAME=value NAME" into the session's transaction. False: answered. */
bool envelope_take_mail_parameters(struct smtp_session *session, const char *text);
bool envelope_take_rcpt_parameters(struct smtp_session *session, const char *text);

#endif
