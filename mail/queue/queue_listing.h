/* queue_listing - what is in the queue, message by message: for showq, and for postqueue when showq is not there.
 *
 * Queues in the order maildrop, incoming, active, deferred, hold. A message's recipients are those of its bounce and
 * defer logs with their reasons, then those of its file that no log knows. Files that are being written, or make no
 * sense, are left out; messages that move meanwhile may be missed or come twice. */
#ifndef MAIL_QUEUE_QUEUE_LISTING_H
#define MAIL_QUEUE_QUEUE_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/queue/queue.h"

/* Text is borrowed until the callback returns; addresses are in external form. */
struct queue_entry {
    const char *queue_name, *queue_id;
    int64_t arrival_time; /* seconds since 1970 */
    int64_t size;         /* bytes of content */
    bool forced_expire;
    const char *sender; /* "MAILER-DAEMON" for the empty one */
    const char *client_name, *client_address; /* "" for local mail, and when showq is the source */
};

struct queue_entry_recipient {
    const char *original, *address;
    const char *log_class; /* "", "bounce", "defer" */
    const char *reason;    /* "" when there is no log */
};

/* Each may end the walk by returning false. */
struct queue_listing {
    bool (*entry)(void *context, const struct queue_entry *entry);
    bool (*recipient)(void *context, const struct queue_entry_recipient *recipient);
    bool (*entry_end)(void *context);
    void *context;
};

/* One message; nothing when it is not there, or makes no sense. */
bool queue_listing_file(const struct queue_layout *layout, const struct queue_listing *listing, const char *queue,
                        const char *id);

bool queue_listing_walk(const struct queue_layout *layout, const struct queue_listing *listing);

/* showq's protocol: it announces this name; attributes as NAME NUL VALUE NUL; an empty name ends an entry, an entry
 * without attributes ends the list. */
#define QUEUE_LISTING_PROTOCOL "mail_queue_list_protocol"

#endif
