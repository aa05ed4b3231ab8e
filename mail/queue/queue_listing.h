/* queue_listing - what is in the queue, message by message: for showq, for postqueue when showq is not there, and for
 * postsuper.
 *
 * Queues in the order maildrop, active, incoming, deferred, hold. A message's recipients are those of its bounce and
 * defer logs with their reasons, then those of its file that no log knows. Files that are being written, or make no
 * sense, are left out; messages that move meanwhile may be missed or come twice. */
#ifndef MAIL_QUEUE_QUEUE_LISTING_H
#define MAIL_QUEUE_QUEUE_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/queue/queue.h"
#include "util/base/arena.h"

struct listed_recipient {
    const char *original, *address;
    const char *log_class; /* "", "bounce", "defer" */
    const char *reason;    /* "" when there is no log */
};

/* Addresses are in external form. */
struct listed_message {
    const char *queue_name, *queue_id;
    int64_t arrival_time; /* seconds since 1970 */
    int64_t size;         /* bytes of content */
    bool forced_expire;
    const char *sender; /* "MAILER-DAEMON" for the empty one */
    const char *client_name, *client_address; /* "" for local mail, and when showq is the source */
    const struct listed_recipient *recipients;
    size_t recipient_count;
};

/* What reading messages takes. It knows which of them had a bounce log when it was made. */
struct queue_lister;
struct queue_lister *queue_lister_new(const struct queue_layout *layout);
void queue_lister_free(struct queue_lister *lister);

/* One message, in the arena; NULL when it is not there, or makes no sense. Runs in any thread. */
const struct listed_message *queue_lister_read(const struct queue_lister *lister, const char *queue, const char *id,
                                               struct arena *arena);

/* The queues, in order; NULL ends. */
extern const char *const queue_listing_queues[];

/* Who gets a message, which is borrowed until it returns. False: no more. */
struct queue_listing {
    bool (*message)(void *context, const struct listed_message *message);
    void *context;
};

/* False: the listing wanted no more. */
bool queue_listing_walk(const struct queue_layout *layout, const struct queue_listing *listing);

/* showq's protocol: it announces this name; attributes as NAME NUL VALUE NUL; an empty name ends an entry, an entry
 * without attributes ends the list. */
#define QUEUE_LISTING_PROTOCOL "mail_queue_list_protocol"

#endif
