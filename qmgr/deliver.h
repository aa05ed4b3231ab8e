/* deliver - one entry's way through a delivery agent, or into the defer log. */
#ifndef QMGR_DELIVER_H
#define QMGR_DELIVER_H

#include "qmgr/qmgr.h"

/* Both start a task, and end with entry_done. */
void deliver_start(struct entry *entry);       /* the destination has counted it as busy */
/* Its destination is dead; dsn and reason are copied. */
void deliver_defer_start(struct entry *entry, const char *dsn, const char *reason);

/* Records that the recipients stay, logs so; within a task. */
void deliver_defer(struct message *message, struct message_recipient *const *recipients, size_t count,
                   const char *dsn, const char *reason);

#endif
