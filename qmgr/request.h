/* request - what others ask of the queue manager over its channel: take a new message, deliver some now, suspend a
 * destination. The messages are in mail/ipc/ipc.def. */
#ifndef QMGR_REQUEST_H
#define QMGR_REQUEST_H

#include "qmgr/qmgr.h"

/* One call. */
void request_serve(struct service_environment *environment, struct call *call);

#endif
