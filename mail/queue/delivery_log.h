/* delivery_log - the logs of what was bounced, deferred or traced: files bounce/ID, defer/ID, trace/ID.
 *
 * Text blocks separated by empty lines: a line "<address>: reason" for people, then name=value lines (recipient,
 * original_recipient, offset, dsn_orig_rcpt, notify_flags, status, action, diag_type, diag_text, mta_type,
 * mta_mname, reason). Written by the bounce services, read by them and by showq. */
#ifndef MAIL_QUEUE_DELIVERY_LOG_H
#define MAIL_QUEUE_DELIVERY_LOG_H

#include <stdbool.h>

#include "mail/ipc/ipc.h"
#include "util/base/arena.h"
#include "util/base/text.h"

/* Appends the entry's block. queue_id, relay and arrival_time are not kept. */
void delivery_log_append(struct text *out, const struct bounce_append *entry);

/* A log that is being read. */
struct delivery_log {
    char *at, *end;
};

/* Reads the file, which stays the caller's, into memory of the arena. False: errno. */
bool delivery_log_read(int fd, struct arena *arena, struct delivery_log *log);

/* The next block; unknown names are skipped, absent ones are "" and 0. Text is in the log's memory or the arena's. False
 * at the end. */
bool delivery_log_next(struct delivery_log *log, struct arena *arena, struct bounce_append *entry);

#endif
