/* queue_sweep - goes through all messages of a queue, and has several looked at side by side in threads.
 *
 * Blocks while files are read. Memory is bounded whatever the messages are: a share of them is in it at a time. */
#ifndef MAIL_QUEUE_QUEUE_SWEEP_H
#define MAIL_QUEUE_QUEUE_SWEEP_H

#include <stdbool.h>

#include "mail/queue/queue.h"
#include "util/base/arena.h"

struct queue_sweep {
    /* What there is to tell about a message, in the arena; NULL: nothing. Runs in any thread (util/base/crew.h). */
    const void *(*look)(const void *context, const char *queue, const char *id, struct arena *arena);
    /* Takes what was found, in directory order, in the caller's thread. False ends the sweep. */
    bool (*take)(void *context, const char *queue, const char *id, const void *found);
    void *context;
    bool alone; /* without threads: looking is what the system lets one do at a time */
};

/* False: take ended it. A queue whose directory is not there is empty. */
bool queue_sweep_run(const struct queue_sweep *sweep, const char *queue);

#endif
