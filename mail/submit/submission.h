/* submission - a message on its way to cleanup. Used by smtpd and bounce. Where an SMTP server has no cleanup, the message
 * goes to the maildrop queue in its place.
 *
 * With a ticket (tickets.h) nothing is sent before the message's end, when it is small, or before so much of it has come
 * that it has a channel to itself. */
#ifndef MAIL_SUBMIT_SUBMISSION_H
#define MAIL_SUBMIT_SUBMISSION_H

#include "mail/config/mail_config.h"
#include "mail/ipc/ipc.h"

struct submission;

/* What a process needs to reach cleanup; one for all its messages. */
struct submission_pool;
struct submission_pool *submission_pool_new(void);

/* Begins a queue file. NULL: it cannot be had now, see error. */
struct submission *submission_open(struct submission_pool *pool, const struct mail_config *mail,
                                   const struct cleanup_open *open, struct error *error);
/* Has postdrop(1) begin a file in maildrop: then all of these functions block, and there are
 * no routes, and no flags at the end. */
struct submission *submission_open_drop(const struct mail_config *mail, const struct cleanup_open *open,
                                        struct error *error);
const char *submission_queue_id(const struct submission *submission);

void submission_recipient(struct submission *submission, const struct cleanup_recipient *recipient);
/* What became known of the envelope meanwhile; before any content. */
void submission_route(struct submission *submission, const char *filter, const char *redirect);
/* Text with LF line ends, collected into frames. False: cleanup is gone (the rest may be dropped). */
bool submission_content(struct submission *submission, const char *bytes, size_t length);
/* The same for content that is made in place: append to the text (or take away of that again), without any wait, then say
 * so. */
struct text *submission_text(struct submission *submission);
bool submission_extended(struct submission *submission);

/* Ends the message and waits until it is durable. Text of the status belongs to the arena. Frees the submission. */
void submission_end(struct submission *submission, int64_t flags, const char *reason, struct arena *arena,
                    struct cleanup_status *status);
/* Gives the message up. Frees the submission. */
void submission_abandon(struct submission *submission);

#endif
