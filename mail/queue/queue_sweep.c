#include "mail/queue/queue_sweep.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/base/crew.h"
#include "util/base/memory.h"

/* More threads than a machine has processors: most of a queue that nobody has looked at lately is on the disk, and a file
 * that is removed waits for it too. */
enum { THREADS = 16, BATCHES = CREW_ROOM, BATCH_IDS = 64, BATCH_MEMORY = 256 * 1024 };

/* Some messages of the queue. */
struct batch {
    const struct queue_sweep *sweep;
    const char *queue;
    struct arena *arena;
    size_t count, looked; /* at those before it */
    char ids[BATCH_IDS][QUEUE_ID_SIZE];
    const void *found[BATCH_IDS];
};

/* Stops when the memory is used up: the rest is looked at when this much has been taken. */
static void look_at_batch(void *job)
{
    struct batch *batch = job;
    const struct queue_sweep *sweep = batch->sweep;

    for (; batch->looked < batch->count && arena_size(batch->arena) < BATCH_MEMORY; batch->looked++)
        batch->found[batch->looked] =
            sweep->look(sweep->context, batch->queue, batch->ids[batch->looked], batch->arena);
}

static bool take_batch(struct batch *batch)
{
    const struct queue_sweep *sweep = batch->sweep;

    for (size_t i = 0; i < batch->count; i++) {
        if (i == batch->looked) {
            arena_clear(batch->arena);
            look_at_batch(batch);
        }
        if (batch->found[i] != NULL && !sweep->take(sweep->context, batch->queue, batch->ids[i], batch->found[i]))
            return false;
    }
    return true;
}

/* False: there are no more messages. */
static bool fill_batch(struct batch *batch, struct queue_scan *scan)
{
    const char *id;

    batch->count = batch->looked = 0;
    arena_clear(batch->arena);
    while (batch->count < BATCH_IDS && (id = queue_scan_next(scan)) != NULL)
        snprintf(batch->ids[batch->count++], QUEUE_ID_SIZE, "%s", id);
    return batch->count > 0;
}

static bool run(struct batch *batches, struct queue_scan *scan, struct crew *crew)
{
    struct batch *next = batches;
    bool going_on = true, more = true;

    while (going_on && (more || crew_out(crew) > 0)) {
        if (more && crew_out(crew) < BATCHES) {
            more = fill_batch(next, scan);
            if (more)
                crew_give(crew, next);
            next = next + 1 < batches + BATCHES ? next + 1 : batches;
        } else {
            going_on = take_batch(crew_take(crew));
        }
    }
    return going_on;
}

bool queue_sweep_run(const struct queue_sweep *sweep, const char *queue)
{
    struct queue_scan *scan = queue_scan_open(queue);
    struct batch *batches;
    struct crew *crew;
    bool complete;

    if (scan == NULL)
        return true;
    batches = memory_new(BATCHES * sizeof *batches);
    for (size_t i = 0; i < BATCHES; i++) {
        batches[i].sweep = sweep;
        batches[i].queue = queue;
        batches[i].arena = arena_new();
    }
    crew = crew_new(look_at_batch, sweep->alone ? 0 : THREADS);
    complete = run(batches, scan, crew);
    crew_free(crew);
    for (size_t i = 0; i < BATCHES; i++)
        arena_free(batches[i].arena);
    free(batches);
    queue_scan_close(scan);
    return complete;
}
