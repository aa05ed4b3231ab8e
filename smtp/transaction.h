/* transaction - MAIL, RCPT, DATA and the content: one message over one session (RFC 5321 section 3.3).
 *
 * Commands go out as far as the server lets them (RFC 2920) and the queue of replies that are still expected is what
 * pipelining is: with PIPELINING it is filled and then emptied, without it it never holds more than one. */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include "mail/delivery/delivery.h"
#include "smtp/session.h"

enum transaction_status {
    TRANSACTION_DONE,   /* the session goes on (if it is not dead) */
    TRANSACTION_BROKEN, /* the conversation failed: see trouble */
    TRANSACTION_STALE,  /* a session used before was dead already: nothing happened */
};

/* Why a recipient was not taken by the servers so far, so that the next may be asked. NULL dsn: no reason yet. */
struct transaction_refusal {
    struct delivery_result result;
};

/* What there is to know of the delivery beside its message. */
struct transaction_terms {
    bool requiretls;        /* MAIL FROM says REQUIRETLS */
    const char *tls_status; /* for the log; NULL: nothing */
};

/* Sends the message for all recipients of the delivery that are not settled. Those taken are settled as sent, those
 * refused for good as failed; temporary refusals go into refusals[recipient] (text in the delivery's arena). *trouble: why
 * the conversation failed, in the same arena; NULL: it did not. */
enum transaction_status smtp_transaction_run(struct smtp_session *session, struct delivery *delivery,
                                             const struct transaction_terms *terms,
                                             struct transaction_refusal *refusals,
                                             const struct smtp_trouble **trouble);

#endif
