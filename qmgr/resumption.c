#include "qmgr/resumption.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/queue/delivery_log.h"
#include "qmgr/scan.h"
#include "util/base/memory.h"

enum { NAMES_A_TURN = 20 };

struct resumption {
    struct manager *manager;
    char *words; /* what the reason begins with */
};

static bool waits_for_it(const struct resumption *resumption, const char *id, struct arena *arena)
{
    int fd = queue_file_open(resumption->manager->layout, QUEUE_DEFER, id, O_RDONLY);
    struct delivery_log log;
    struct bounce_append entry;
    bool readable = fd >= 0 && delivery_log_read(fd, arena, &log), found = false;

    while (readable && !found && delivery_log_next(&log, arena, &entry))
        found = string_starts(entry.reason, resumption->words);
    if (fd >= 0)
        close(fd);
    return found;
}

static void make_due(const struct manager *manager, const char *id)
{
    char path[QUEUE_PATH_SIZE];

    /* The message may have gone its way meanwhile. */
    utimensat(AT_FDCWD, queue_path(manager->layout, QUEUE_DEFERRED, id, path), NULL, AT_SYMLINK_NOFOLLOW);
}

static void run(void *argument)
{
    struct resumption *resumption = argument;
    struct queue_scan *names = queue_scan_open(QUEUE_DEFERRED);
    struct arena *arena = arena_new();
    const char *id;

    for (size_t count = 1; names != NULL && (id = queue_scan_next(names)) != NULL; count++) {
        if (waits_for_it(resumption, id, arena))
            make_due(resumption->manager, id);
        arena_clear(arena);
        if (count % NAMES_A_TURN == 0)
            task_yield();
    }
    queue_scan_close(names);
    arena_free(arena);
    scan_request(resumption->manager->deferred, false);
    free(resumption->words);
    free(resumption);
}

void resumption_start(struct manager *manager, const char *name)
{
    struct resumption *resumption = memory_new(sizeof *resumption);

    resumption->manager = manager;
    resumption->words = memory_format("delivery to %s suspended", name);
    task_start(run, resumption);
}
