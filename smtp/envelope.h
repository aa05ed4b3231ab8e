/* envelope - MAIL FROM and RCPT TO with the parameters that the server understands. */
#ifndef SMTP_ENVELOPE_H
#define SMTP_ENVELOPE_H

#include <stdbool.h>

#include "mail/delivery/delivery.h"
#include "smtp/session.h"
#include "util/base/text.h"

struct envelope {
    const struct smtp_session *session;
    const struct delivery *delivery;
    bool utf8;               /* SMTPUTF8 goes into MAIL FROM */
    bool eight_bit;          /* BODY=8BITMIME does */
    bool requiretls;         /* REQUIRETLS does */
    bool downgrade;          /* 8bit content is to be made 7bit */
    const char *refused_dsn, *refused_reason; /* when the server cannot take the message */
};

/* False: the server cannot take this message. */
bool envelope_prepare(const struct smtp_session *session, const struct delivery *delivery, struct envelope *envelope);

/* Each appends a command without its line end. */
void envelope_mail(const struct envelope *envelope, struct text *line);
void envelope_rcpt(const struct envelope *envelope, const struct message_recipient *recipient, struct text *line);

#endif
