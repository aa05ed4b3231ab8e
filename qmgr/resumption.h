/* resumption - a suspension has ended: what was deferred for its sake is tried again. */
#ifndef QMGR_RESUMPTION_H
#define QMGR_RESUMPTION_H

#include "qmgr/qmgr.h"

/* Starts a task that looks through the deferred queue; its defer logs tell why mail waits. */
void resumption_start(struct manager *manager, const char *name);

#endif
