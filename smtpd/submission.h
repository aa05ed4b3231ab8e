/* submission - a message on its way to cleanup: one call on a channel of its own. */
#ifndef SMTPD_SUBMISSION_H
#define SMTPD_SUBMISSION_H

#include "smtpd/session.h"

struct submission;

/* Opens a queue file by cleanup. NULL: it cannot be had now. */
struct submission *submission_open(struct smtp_session *session);
const char *submission_queue_id(const struct submission *submission);

void submission_recipient(struct submission *submission, const struct recipient *recipient);
/* What restrictions asked for that concerns the envelope; before any content. */
void submission_route(struct submission *submission, const char *filter, const char *redirect);
/* Text with LF line ends, collected into frames. False: cleanup wants no more (the rest may be dropped). */
bool submission_content(struct submission *submission, const char *bytes, size_t length);

/* Ends the message and waits until it is durable. Text of the status belongs to the arena. Frees the submission. */
void submission_end(struct submission *submission, int64_t flags, const char *reason, struct arena *arena,
                    struct cleanup_status *status);
/* Gives the message up. Frees the submission. */
void submission_abandon(struct submission *submission);

#endif
