#include "qmgr/scan.h"

#include <sys/stat.h>
#include <time.h>

#include "qmgr/message.h"
#include "util/base/memory.h"

enum { NAMES_A_TURN = 50 };

struct scan {
    struct manager *manager;
    const char *queue;
    bool by_time;     /* a file's time stamp says when it is due */
    bool wanted, all; /* requests not begun yet */
    struct task_condition requested;
};

static bool is_due(const struct scan *scan, const char *id, bool all)
{
    char path[QUEUE_PATH_SIZE];
    struct stat status;

    if (stat(queue_path(scan->manager->layout, scan->queue, id, path), &status) != 0)
        return false;
    /* A file without the execute bit is still being written. */
    return (status.st_mode & S_IXUSR) != 0 && (!scan->by_time || all || status.st_mtime <= time(NULL));
}

/* Waits for room in the active queue as long as it takes. False: cancelled. */
static bool take(struct scan *scan, const char *id, bool all)
{
    struct manager *manager = scan->manager;

    while (message_take(manager, scan->queue, id, all ? TAKE_ASKED : 0) == TAKE_NO_ROOM)
        if (task_condition_wait(&manager->room, deadline_never()) != WAIT_READY)
            return false;
    return true;
}

static bool look_through(struct scan *scan, bool all)
{
    struct queue_scan *names = queue_scan_open(scan->queue);
    const char *id;
    bool going = true;

    if (names == NULL)
        return true;
    for (size_t count = 1; going && (id = queue_scan_next(names)) != NULL; count++) {
        if (map_get(scan->manager->messages, id) == NULL && is_due(scan, id, all))
            going = take(scan, id, all);
        if (count % NAMES_A_TURN == 0)
            task_yield();
    }
    queue_scan_close(names);
    return going;
}

static void run_scan(void *argument)
{
    struct scan *scan = argument;

    for (;;) {
        bool all;

        while (!scan->wanted)
            if (task_condition_wait(&scan->requested, deadline_never()) != WAIT_READY)
                return;
        all = scan->all;
        scan->wanted = scan->all = false;
        if (!look_through(scan, all))
            return;
    }
}

struct scan *scan_new(struct manager *manager, const char *queue, bool by_time)
{
    struct scan *scan = memory_new(sizeof *scan);

    scan->manager = manager;
    scan->queue = queue;
    scan->by_time = by_time;
    task_condition_init(&scan->requested);
    task_start(run_scan, scan);
    return scan;
}

void scan_request(struct scan *scan, bool all)
{
    scan->wanted = true;
    scan->all = scan->all || all;
    task_condition_wake_all(&scan->requested);
}
