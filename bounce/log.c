#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounce/bounce.h"
#include "mail/queue/delivery_log.h"
#include "util/base/memory.h"
#include "util/task/offload.h"

static int open_log(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    char directory[QUEUE_PATH_SIZE], *slash;

    if (fd >= 0 || errno != ENOENT)
        return fd;
    /* A hashed directory is made when it is first needed. */
    snprintf(directory, sizeof directory, "%s", path);
    for (slash = strchr(directory, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(directory, 0700);
        *slash = '/';
    }
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

struct sync_request {
    int fd;
    int result;
};

static void run_sync(void *argument)
{
    struct sync_request *request = argument;

    request->result = fsync(request->fd);
}

/* Only what will be a bounce must survive a crash: a deferred recipient is tried again, and its delay told anew. */
static bool make_durable(const struct bouncer *bouncer, int fd)
{
    struct sync_request request = {.fd = fd};

    if (strcmp(bouncer->log_queue, QUEUE_BOUNCE) != 0)
        return true;
    offload_run(run_sync, &request);
    return request.result == 0;
}

bool bounce_log_append(struct bouncer *bouncer, const struct bounce_append *entry, struct error *error)
{
    char path[QUEUE_PATH_SIZE];
    struct text block = {0};
    bool written;
    int fd;

    queue_path(bouncer->layout, bouncer->log_queue, entry->queue_id, path);
    fd = open_log(path);
    if (fd < 0)
        return error_set(error, "open %s: %s", path, strerror(errno));
    delivery_log_append(&block, entry);
    written = write(fd, block.data, block.length) == (ssize_t)block.length && make_durable(bouncer, fd);
    if (!written)
        error_set(error, "write %s: %s", path, strerror(errno));
    text_free(&block);
    close(fd);
    return written;
}

static bool concerns(const struct bounce_append *entry, enum bounce_kind kind)
{
    int64_t notify = entry->dsn_notify;

    if (notify == 0)
        return true;
    switch (kind) {
    case BOUNCE_FAILURE: return (notify & DSN_NOTIFY_FAILURE) != 0;
    case BOUNCE_WARNING: return (notify & DSN_NOTIFY_DELAY) != 0;
    default: return (notify & DSN_NOTIFY_NEVER) == 0;
    }
}

bool bounce_log_read(struct bouncer *bouncer, const char *queue_id, enum bounce_kind kind, struct arena *arena,
                     struct bounce_entries *entries)
{
    char path[QUEUE_PATH_SIZE];
    struct bounce_append entry, *grown = NULL;
    struct delivery_log log;
    int fd = open(queue_path(bouncer->layout, bouncer->log_queue, queue_id, path), O_RDONLY | O_CLOEXEC);
    bool readable = fd >= 0 && delivery_log_read(fd, arena, &log);

    if (fd >= 0)
        close(fd);
    *entries = (struct bounce_entries){0};
    if (!readable)
        return false;
    while (delivery_log_next(&log, arena, &entry)) {
        if (!concerns(&entry, kind))
            continue;
        grown = memory_resize(grown, (entries->count + 1) * sizeof *grown);
        grown[entries->count++] = entry;
    }
    if (entries->count > 0) {
        entries->items = arena_alloc(arena, entries->count * sizeof *grown);
        memcpy(entries->items, grown, entries->count * sizeof *grown);
    }
    free(grown);
    return true;
}

void bounce_log_forget(struct bouncer *bouncer, const char *queue_id)
{
    char path[QUEUE_PATH_SIZE];

    if (unlink(queue_path(bouncer->layout, bouncer->log_queue, queue_id, path)) != 0 && errno != ENOENT)
        log_warning(NULL, "remove %s: %s", path, strerror(errno));
}
