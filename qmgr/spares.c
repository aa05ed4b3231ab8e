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
    int active_fd;
    ino_t retired[KEPT], ready[KEPT]; /* not to be written over yet; to be given away */
    size_t retired_count, ready_count;
    bool syncing;
    struct loop_timer *idle;
};

struct sync {
    int fd, error;
};

/* ---- from retired to ready ---- */

static void sync_active(void *argument)
{
    struct sync *sync = argument;

    sync->error = fsync(sync->fd) == 0 ? 0 : errno;
}

/* The old names of those that were retired before the sync began are gone for good when it has ended. */
static void run_sync(void *argument)
{
    struct spares *spares = argument;

    while (spares->retired_count >= BATCH) {
        size_t count = spares->retired_count;
        struct sync sync = {.fd = spares->active_fd};

        offload_run(sync_active, &sync);
        if (sync.error != 0)
            break; /* they stay what they are; the next sync may do better */
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

struct spares *spares_new(struct manager *manager)
{
    struct spares *spares = memory_new(sizeof *spares);

    spare_remove_all();
    spares->manager = manager;
    /* No one sync would do for many directories. */
    spares->active_fd = queue_is_hashed(manager->layout, QUEUE_ACTIVE) ? -1 : queue_directory_open(QUEUE_ACTIVE "/");
    spares->idle = loop_timer_new(remove_idle, spares);
    return spares;
}

static bool fit(const struct spares *spares, const struct message *message)
{
    return spares->active_fd >= 0 && spares->retired_count + spares->ready_count < KEPT && message->inode != 0 &&
           message->file_size <= SPARE_SIZE_LIMIT;
}

bool spares_keep(struct spares *spares, const struct message *message)
{
    if (!fit(spares, message) || !spare_retire(spares->manager->layout, message->id, message->inode))
        return false;
    spares->retired[spares->retired_count++] = message->inode;
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
