/* reply - what the client is told. */
#ifndef SMTPD_REPLY_H
#define SMTPD_REPLY_H

#include "smtpd/session.h"

/* One line; the end of line is added. 4xx and 5xx count as errors; after smtpd_soft_error_limit of them every reply
 * costs smtpd_error_sleep_time. soft_bounce turns 5xx into 4xx. */
void smtpd_reply(struct smtp_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line of several: the code and a hyphen stand in it already. */
void smtpd_reply_part(struct smtp_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same as smtpd_reply, and the session ends. */
void smtpd_reply_and_close(struct smtp_session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
