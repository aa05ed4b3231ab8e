#include "qmgr/spares.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mail/queue/spare.h"
#include "util/base/memory.h"
#include "util/task/offload.h"

enum {
    KEPT = 128,  /* here; cleanup has some more of them in hand */
    BATCH = 16,  /* so many, at least, share a sync */
};
static const duration idle_time = 60 * SECONDS; /* old mail does not lie about when no new mail comes */

struct spares {
    struct manager *manager;
    int incoming_fd, active_fd; /* -1: no one sync would do */
    bool active_left;           /* a file has left the active queue since the last sync */
    ino_t retired[KEPT], ready[KEPT]; /* not to be written over yet; to be given away */
    size_t retired_count, ready_count;
    bool syncing;
    struct loop_timer *idle;
};

struct sync {
    int incoming_fd, active_fd; /* -1: that one need not be */
    bool done;
};

/* ---- from retired to ready ---- */

static void sync_directories(void *argument)
{
    struct sync *sync = argument;

    sync->done = fsync(sync->incoming_fd) == 0 && (sync->active_fd < 0 || fsync(sync->active_fd) == 0);
}

/* The old names of those that were retired before the sync began are gone for good when it has ended. */
static void run_sync(void *argument)
{
    struct spares *spares = argument;

    while (spares->retired_count >= BATCH) {
        size_t count = spares->retired_count;
        struct sync sync = {.incoming_fd = spares->incoming_fd, .active_fd = spares->active_left ? spares->active_fd : -1};

        spares->active_left = false;
        offload_run(sync_directories, &sync);
        if (!sync.done) { /* they stay what they are; the next sync may do better */
            spares->active_left = true;
            break;
        }
        memcpy(spares->ready + spares->ready_count, spares->retired, count * sizeof *spares->ready);
        spares->ready_count += count;
        spares->retired_count -= count;
        memmove(spares->retired, spares->retired + count, spares->retired_count * sizeof *spares->retired);
    }
    spares->syncing = false;
}

/* ---- for the manager ---- */

/* Those that cleanup has in hand go too: it finds out when it wants to use them. */
static void remove_idle(void *context)
{
    struct spares *spares = context;

    if (spares->syncing) {
        loop_timer_set(spares->idle, idle_time);
        return;
    }
    spares->retired_count = spares->ready_count = 0;
    spare_remove_all();
}

static int open_directory(const struct manager *manager, const char *queue, const char *path)
{
    return queue_is_hashed(manager->layout, queue) ? -1 : queue_directory_open(path);
}

struct spares *spares_new(struct manager *manager)
{
    struct spares *spares = memory_new(sizeof *spares);

    spare_remove_all();
    spares->manager = manager;
    spares->incoming_fd = open_directory(manager, QUEUE_INCOMING, QUEUE_INCOMING "/");
    spares->active_fd = open_directory(manager, QUEUE_ACTIVE, QUEUE_ACTIVE "/");
    spares->idle = loop_timer_new(remove_idle, spares);
    return spares;
}

static bool fit(const struct spares *spares, const struct message *message)
{
    return spares->incoming_fd >= 0 && spares->active_fd >= 0 && spares->retired_count + spares->ready_count < KEPT &&
           message->inode != 0 && message->file_size <= SPARE_SIZE_LIMIT;
}

bool spares_keep(struct spares *spares, const struct message *message)
{
    if (!fit(spares, message) || !spare_retire(spares->manager->layout, message->queue, message->id, message->inode))
        return false;
    spares->retired[spares->retired_count++] = message->inode;
    spares->active_left = spares->active_left || string_equal(message->queue, QUEUE_ACTIVE);
    if (spares->retired_count >= BATCH && !spares->syncing) {
        spares->syncing = true;
        task_start(run_sync, spares);
    }
    loop_timer_set(spares->idle, idle_time);
    return true;
}

struct ipc_strings spares_give(struct spares *spares, int64_t wanted, struct arena *arena)
{
    size_t count = wanted < 0 ? 0 : (size_t)wanted;
    struct ipc_strings given = {.count = count < spares->ready_count ? count : spares->ready_count};

    given.items = arena_alloc(arena, (given.count + 1) * sizeof *given.items);
    for (size_t i = 0; i < given.count; i++)
        given.items[i] = arena_format(arena, "%llX", (unsigned long long)spares->ready[--spares->ready_count]);
    return given;
}
