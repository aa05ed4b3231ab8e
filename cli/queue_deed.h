/* queue_deed - one operation on one message, without a word: what it came to is told afterwards.
 *
 * Runs in any thread. Delivery agents hold a shared lock on the file of each message they deliver, and look whether the
 * file is still in its place when they have got it. Deeds hold the file's exclusive lock while they move it, so that
 * nothing is requeued while it is being delivered, and nothing is delivered that was just taken away. */
#ifndef CLI_QUEUE_DEED_H
#define CLI_QUEUE_DEED_H

#include <stdbool.h>

#include "mail/queue/queue.h"

enum queue_operation_kind {
    OPERATION_REQUEUE,
    OPERATION_DELETE,
    OPERATION_EXPIRE,
    OPERATION_EXPIRE_RELEASE, /* and out of hold */
    OPERATION_HOLD,
    OPERATION_RELEASE,
    OPERATION_KINDS,
};

/* Text is constant. */
struct queue_deed {
    bool done;                  /* of OPERATION_EXPIRE_RELEASE: it is expired */
    bool released;              /* OPERATION_EXPIRE_RELEASE took it out of hold */
    bool gone;                  /* the file went its way meanwhile */
    const char *busy;           /* it is being delivered, and what follows from that; NULL: it is not */
    const char *failed, *where; /* what could not be done in which directory; NULL: nothing failed */
    int reason;                 /* errno of that */
};

struct queue_deed queue_deed_do(enum queue_operation_kind kind, const struct queue_layout *layout, const char *queue,
                                const char *id);

#endif
