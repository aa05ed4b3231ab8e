/* linger - messages that are delivered from where cleanup put them.
 *
 * Most messages are gone within milliseconds: to move their files to the active queue first would be a good part of what
 * they cost. So a new message stays in the incoming queue while it is delivered, and moves when that takes longer than
 * a second. By then people look for it, and find in the active queue what is being delivered, as ever. */
#ifndef QMGR_LINGER_H
#define QMGR_LINGER_H

#include "qmgr/qmgr.h"

/* Starts the task that moves messages. */
void linger_start(struct manager *manager);

/* A message's file is in the incoming queue. */
void linger_add(struct message *message);
/* It is about to leave, and not for the active queue. */
void linger_end(struct message *message);

#endif
