/* message - a report as mail: RFC 8460 section 5.3. */
#ifndef TLSRPT_MESSAGE_H
#define TLSRPT_MESSAGE_H

#include "tlsrpt/tlsrpt.h"

struct report_message {
    const struct tlsrpt_domain *domain;
    const char *to;   /* internal form */
    const void *gzip; /* the report */
    size_t length;
};

/* Hands it to cleanup; queue_id is the arena's. False: it cannot be had now, see error. */
bool report_message_submit(struct tlsrpt *tlsrpt, const struct report_message *message, struct arena *arena,
                           const char **queue_id, struct error *error);

/* For the above and its tests: appends the message, lines ended by LF. */
void report_message_append(const struct tlsrpt *tlsrpt, const struct report_message *message, const char *queue_id, int64_t now,
                           struct text *out);

#endif
