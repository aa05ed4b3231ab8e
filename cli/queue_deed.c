#include "cli/queue_deed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/text.h"

static void fail(struct queue_deed *deed, const char *what, const char *where)
{
    if (errno == ENOENT) {
        deed->gone = true;
        return;
    }
    deed->failed = what;
    deed->where = where;
    deed->reason = errno;
}

/* ---- beside a running queue manager ---- */

/* As long as we hold the file, no delivery begins. */
struct grip {
    int fd;    /* -1: it cannot be opened */
    bool busy; /* it is being delivered */
};

static struct grip grasp(const struct queue_layout *layout, const char *queue, const char *id)
{
    struct grip grip = {.fd = queue_file_open(layout, queue, id, O_RDONLY | O_NONBLOCK)};

    grip.busy = grip.fd >= 0 && flock(grip.fd, LOCK_EX | LOCK_NB) != 0;
    return grip;
}

static void let_go(struct grip grip)
{
    if (grip.fd >= 0)
        close(grip.fd);
}

/* ---- operations ---- */

/* Most messages have one log at most: asking whether there is one does not wait for others that use the directory. */
static void remove_logs(struct queue_deed *deed, const struct queue_layout *layout, const char *id)
{
    static const char *const logs[] = {QUEUE_BOUNCE, QUEUE_DEFER, QUEUE_TRACE, NULL};
    char path[QUEUE_PATH_SIZE];

    for (const char *const *log = logs; *log != NULL; log++)
        if (access(queue_path(layout, *log, id, path), F_OK) == 0 && unlink(path) < 0 && errno != ENOENT)
            fail(deed, "remove", *log);
}

static void delete(struct queue_deed *deed, const struct queue_layout *layout, const char *queue, const char *id)
{
    struct grip grip = grasp(layout, queue, id);

    if (queue_remove(layout, queue, id) == 0) {
        deed->done = true;
        deed->busy = grip.busy ? "what is under way may still arrive" : NULL;
        remove_logs(deed, layout, id);
    } else {
        fail(deed, "remove", queue);
    }
    let_go(grip);
}

static void move(struct queue_deed *deed, const struct queue_layout *layout, const char *from, const char *to,
                 const char *id)
{
    if (string_equal(from, to))
        return;
    if (queue_move(layout, id, from, to) == 0)
        deed->done = true;
    else
        fail(deed, "move", from);
}

static void place_on_hold(struct queue_deed *deed, const struct queue_layout *layout, const char *queue, const char *id)
{
    struct grip grip = grasp(layout, queue, id);

    if (grip.fd < 0)
        fail(deed, "open", queue);
    else
        move(deed, layout, queue, QUEUE_HOLD, id);
    if (deed->done && grip.busy)
        deed->busy = "what is under way is not stopped";
    let_go(grip);
}

/* A failure has been noted that the sender was not told of yet. */
static bool has_bounces(const struct queue_layout *layout, const char *id)
{
    char path[QUEUE_PATH_SIZE];

    return access(queue_path(layout, QUEUE_BOUNCE, id, path), F_OK) == 0;
}

/* The message comes back under another ID: what was logged about this one is of no use. A recipient that is just
 * being served would get it twice. */
static void requeue(struct queue_deed *deed, const struct queue_layout *layout, const char *queue, const char *id)
{
    struct grip grip = grasp(layout, queue, id);

    if (grip.fd < 0)
        fail(deed, "open", queue);
    else if (grip.busy || (queue_is_in_hand(queue) && has_bounces(layout, id)))
        deed->busy = "not requeued";
    else
        move(deed, layout, queue, QUEUE_MAILDROP, id);
    if (deed->done)
        remove_logs(deed, layout, id);
    let_go(grip);
}

static void expire(struct queue_deed *deed, const struct queue_layout *layout, const char *queue, const char *id)
{
    char path[QUEUE_PATH_SIZE];
    struct stat file;

    queue_path(layout, queue, id, path);
    if (lstat(path, &file) < 0) {
        fail(deed, "change", queue);
        return;
    }
    if (!S_ISREG(file.st_mode) || (file.st_mode & QUEUE_BIT_EXPIRE) != 0)
        return;
    if (chmod(path, (file.st_mode & 07777) | QUEUE_BIT_EXPIRE) == 0)
        deed->done = true;
    else
        fail(deed, "change", queue);
}

static void expire_and_release(struct queue_deed *deed, const struct queue_layout *layout, const char *queue,
                               const char *id)
{
    bool expired;

    expire(deed, layout, queue, id);
    expired = deed->done;
    if (deed->gone || deed->failed != NULL || !string_equal(queue, QUEUE_HOLD))
        return;
    deed->done = false;
    move(deed, layout, queue, QUEUE_DEFERRED, id);
    deed->released = deed->done;
    deed->done = expired;
}

struct queue_deed queue_deed_do(enum queue_operation_kind kind, const struct queue_layout *layout, const char *queue,
                                const char *id)
{
    struct queue_deed deed = {0};

    switch (kind) {
    case OPERATION_REQUEUE: requeue(&deed, layout, queue, id); break;
    case OPERATION_DELETE: delete(&deed, layout, queue, id); break;
    case OPERATION_EXPIRE: expire(&deed, layout, queue, id); break;
    case OPERATION_EXPIRE_RELEASE: expire_and_release(&deed, layout, queue, id); break;
    case OPERATION_HOLD: place_on_hold(&deed, layout, queue, id); break;
    case OPERATION_RELEASE: move(&deed, layout, queue, QUEUE_DEFERRED, id); break;
    case OPERATION_KINDS: break;
    }
    return deed;
}
