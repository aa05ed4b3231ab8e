/* spares - files of delivered messages, kept for cleanup to write over (mail/queue/spare.h). */
#ifndef QMGR_SPARES_H
#define QMGR_SPARES_H

#include "qmgr/qmgr.h"

struct spares;

/* Removes what an earlier queue manager left. */
struct spares *spares_new(struct manager *manager);

/* Takes the file of a message that is done out of its queue. False: it is there still, to be removed. */
bool spares_keep(struct spares *spares, const struct message *message);

/* Up to `wanted` that are safe to write over; the list is the arena's. */
struct ipc_strings spares_give(struct spares *spares, int64_t wanted, struct arena *arena);

#endif
