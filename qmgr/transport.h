/* transport - which destination is served next, and what its answers teach. */
#ifndef QMGR_TRANSPORT_H
#define QMGR_TRANSPORT_H

#include "qmgr/qmgr.h"

struct transport *transport_find(struct manager *manager, const char *name);       /* makes it at first sight */
struct destination *destination_find(struct transport *transport, const char *name);

/* Is it left alone for now? Then *dsn and *reason say why. */
bool destination_is_dead(const struct destination *destination, const char **dsn, const char **reason);
/* Forgets that transports and destinations are dead: postqueue -f. */
void transports_revive(struct manager *manager);
void destination_revive(struct destination *destination);

/* Queues the entry, and starts what can be started. */
void destination_add(struct destination *destination, struct entry *entry);

/* An entry holds its destination from when it is made until it is done. */
void destination_hold(struct destination *destination);
void destination_release(struct destination *destination);
/* Forgets destinations that nothing is known of and nothing is wanted of. */
void transports_forget_idle(struct manager *manager);

/* A delivery to this destination has ended. */
void destination_done(struct destination *destination, enum delivery_status status, const char *dsn,
                      const char *reason);

#endif
