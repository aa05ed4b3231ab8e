/* report - a notification as text: RFC 3462 (multipart/report), RFC 3464 (delivery status), RFC 6533 (UTF-8). */
#ifndef BOUNCE_REPORT_H
#define BOUNCE_REPORT_H

#include "bounce/bounce.h"
#include "mail/queue/message_file.h"
#include "mail/submit/submission.h"

struct report {
    struct bouncer *bouncer;
    const struct bounce_flush *flush;
    const struct bounce_entries *entries;
    enum template_kind template;
    const char *to;           /* its recipient, as in To: */
    bool postmaster;          /* a copy: without the words for the sender, with headers only */
    const char *queue_id;     /* of the notification itself */
    int fd;                   /* the message it is about; -1: it is gone */
    const struct message_envelope *envelope; /* with fd */
    char boundary[200];
};

/* Does the notification need REQUIRETLS, since the message did and is in it (RFC 8689 section 5)? */
bool report_requires_tls(const struct report *report);

/* Writes the whole message into the submission. */
void report_write(struct report *report, struct submission *submission);

#endif
