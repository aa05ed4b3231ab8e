/* scan - looking through the incoming and deferred queues, for what nobody told us of and for what is due. */
#ifndef QMGR_SCAN_H
#define QMGR_SCAN_H

#include "qmgr/qmgr.h"

struct scan;

/* Each queue has one scan: a task that sleeps until it is asked for. */
struct scan *scan_new(struct manager *manager, const char *queue, bool by_time);

/* Looks through the queue soon; when it is at it, once more afterwards. all: also what is not due yet. */
void scan_request(struct scan *scan, bool all);

#endif
