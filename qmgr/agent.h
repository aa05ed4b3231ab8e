/* agent - the processes that deliver for a transport: a channel to each, many deliveries on each. */
#ifndef QMGR_AGENT_H
#define QMGR_AGENT_H

#include "qmgr/qmgr.h"

struct agents;

/* How many there may be, and how much each may do, follows from the transport's line in master.cf. */
struct agents *agents_new(struct manager *manager, const char *transport);

/* May another delivery begin? */
bool agents_free(const struct agents *agents);
/* Counts a delivery in, before anything is waited for. */
void agents_reserve(struct agents *agents);
void agents_release(struct agents *agents);

/* One delivery, within a task that holds a reservation. False: no agent could be reached, or it went away before it
 * answered; error says which. Text of the reply belongs to the arena. */
bool agents_deliver(struct agents *agents, const struct delivery_request *request, struct arena *arena,
                    struct delivery_reply *reply, struct error *error);

#endif
