/* finish - what becomes of a message when all its deliveries were tried. */
#ifndef QMGR_FINISH_H
#define QMGR_FINISH_H

#include "qmgr/qmgr.h"

/* Sends the reports that are due; then the message is removed, returned, or deferred. Within a task. */
void message_finish(struct message *message);

/* It could not even be tried: it goes to the deferred queue for the shortest time. */
void finish_later(struct message *message);

/* Out of memory, and out of the count; the file is where it is. */
void message_forget(struct message *message);

#endif
