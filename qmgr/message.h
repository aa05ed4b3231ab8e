/* message - a message's stay in the active queue: taken in, cut into entries, and what becomes of it in the end. */
#ifndef QMGR_MESSAGE_H
#define QMGR_MESSAGE_H

#include "qmgr/qmgr.h"

enum take_result {
    TAKE_DONE,     /* it is in the active queue (or went somewhere else, for good reason) */
    TAKE_NO_ROOM,  /* the active queue is full: wait for manager->room */
    TAKE_NOT_THERE /* somebody else took or removed it */
};

enum take_flag {
    TAKE_INSIST = 1, /* also where its destinations are suspended */
    TAKE_FRESH = 2,  /* cleanup has just queued it */
    TAKE_ASKED = 4,  /* somebody wants it delivered: by transports that wait for that, too */
};

/* Takes queue/ID into the active queue and starts its deliveries; within a task. A fresh message's file stays where it is
 * for a while (linger.h). */
enum take_result message_take(struct manager *manager, const char *queue, const char *id, unsigned flags);

/* Does a delivery of this file go on, begun by a queue manager before this one? */
bool message_file_busy(int fd);

/* One of the message's entries has been dealt with. */
void message_entry_done(struct message *message);

#endif
