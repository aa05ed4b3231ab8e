#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/queue/queue.h"
#include "util/base/memory.h"

enum { LEVEL_LIMIT = 17 }; /* hash_queue_depth's limit and the queue itself */

struct queue_scan {
    DIR *levels[LEVEL_LIMIT];
    char *paths[LEVEL_LIMIT];
    int depth;
};

static bool enter(struct queue_scan *scan, const char *path)
{
    DIR *directory = scan->depth < LEVEL_LIMIT ? opendir(path) : NULL;

    if (directory == NULL)
        return false;
    scan->levels[scan->depth] = directory;
    scan->paths[scan->depth++] = memory_copy_string(path);
    return true;
}

static void leave(struct queue_scan *scan)
{
    closedir(scan->levels[--scan->depth]);
    free(scan->paths[scan->depth]);
}

struct queue_scan *queue_scan_open(const char *queue)
{
    struct queue_scan *scan = memory_new(sizeof *scan);

    if (enter(scan, queue))
        return scan;
    free(scan);
    return NULL;
}

const char *queue_scan_next(struct queue_scan *scan)
{
    while (scan->depth > 0) {
        const struct dirent *entry = readdir(scan->levels[scan->depth - 1]);

        if (entry == NULL) {
            leave(scan);
        } else if (strlen(entry->d_name) == 1 && entry->d_name[0] != '.') {
            char *path = memory_format("%s/%s", scan->paths[scan->depth - 1], entry->d_name);

            enter(scan, path);
            free(path);
        } else if (queue_id_valid(entry->d_name)) {
            return entry->d_name;
        }
    }
    return NULL;
}

void queue_scan_close(struct queue_scan *scan)
{
    if (scan == NULL)
        return;
    while (scan->depth > 0)
        leave(scan);
    free(scan);
}
