/* queue_operation - what postsuper does to messages: delete, hold, release, requeue, expire; and to the queue as a
 * whole: purge what a crash left, repair names and places. Works in queue_directory. */
#ifndef CLI_QUEUE_OPERATION_H
#define CLI_QUEUE_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/queue_command.h"
#include "cli/queue_deed.h"
#include "cli/queue_selection.h"

/* How many messages something was done to. */
struct queue_operation_counts {
    size_t requeued, deleted, expired, held, released, renamed;
    size_t failed; /* what could not be done, and was said */
};

/* What the operations are about. */
struct queue_operation_scope {
    const char *const *queues;               /* where to look, NULL for the usual ones of the operation; NULL ends */
    const struct queue_selection *selection; /* a dry one: messages are only listed and counted */
    const struct queue_lister *lister;
};

/* Logs a line when something was done. A message that is being delivered is not requeued; what else is done to one
 * says that it cannot stop that. */
void queue_operation_one(struct queue_command *command, enum queue_operation_kind kind, const char *id,
                         const struct queue_operation_scope *scope, struct queue_operation_counts *counts);
/* The same to all messages of the queues, without a line for each. */
void queue_operation_all(struct queue_command *command, enum queue_operation_kind kind,
                         const struct queue_operation_scope *scope, struct queue_operation_counts *counts);

bool queue_operation_knows(const char *queue); /* a directory that postsuper works on */

enum { REPAIR_PURGE = 1, REPAIR_STRUCTURE = 2, REPAIR_LONG_NAMES = 4 /* long IDs must match the inode as well */ };
void queue_repair(struct queue_command *command, int what, const char *const *queues,
                  struct queue_operation_counts *counts);

#endif
