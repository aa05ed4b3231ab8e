/* Descriptors on which tasks wait. */
#include <assert.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/task/internal.h"

/* Reading is watched all the time; writing only while somebody waits for it, since a UNIX socket would tell of room
 * each time that its peer has read something. */
struct task_watch {
    struct event reading, writing;
    int fd;
    bool registered;
    bool readable; /* an edge came and nobody has used it yet */
    bool closed;
    struct task *reader, *writer;
};

struct task_watch *task_watch_new(int fd)
{
    struct task_watch *watch = memory_new(sizeof *watch);

    watch->fd = fd;
    return watch;
}

void task_watch_free(struct task_watch *watch)
{
    assert(watch->reader == NULL && watch->writer == NULL);
    if (watch->registered)
        event_del(&watch->reading);
    free(watch);
}

bool task_watch_closed(const struct task_watch *watch)
{
    return watch->closed;
}

static void reading_ready(evutil_socket_t fd, short events, void *context)
{
    struct task_watch *watch = context;

    (void)fd;
    watch->closed = watch->closed || (events & EV_CLOSED) != 0;
    watch->readable = true;
    if (watch->reader != NULL)
        task_resume(watch->reader);
}

static void writing_ready(evutil_socket_t fd, short events, void *context)
{
    struct task_watch *watch = context;

    (void)fd;
    (void)events;
    if (watch->writer != NULL)
        task_resume(watch->writer);
}

enum wait_result task_watch_wait_readable(struct task_watch *watch, struct deadline deadline)
{
    enum wait_result result = WAIT_READY;

    if (!watch->registered) {
        event_assign(&watch->reading, loop_base(), watch->fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, reading_ready,
                     watch);
        event_add(&watch->reading, NULL);
        watch->registered = true;
    }
    assert(watch->reader == NULL);
    watch->reader = task_current();
    while (!watch->readable && result == WAIT_READY)
        result = task_suspend(deadline);
    watch->reader = NULL;
    if (watch->readable && result != WAIT_CANCELLED)
        result = WAIT_READY;
    watch->readable = false;
    return result;
}

enum wait_result task_watch_wait_writable(struct task_watch *watch, struct deadline deadline)
{
    enum wait_result result;

    assert(watch->writer == NULL);
    watch->writer = task_current();
    event_assign(&watch->writing, loop_base(), watch->fd, EV_WRITE | EV_ET, writing_ready, watch);
    event_add(&watch->writing, NULL);
    result = task_suspend(deadline);
    event_del(&watch->writing);
    watch->writer = NULL;
    return result;
}

static void once_ready(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    task_resume(context);
}

static enum wait_result wait_once(int fd, short what, struct deadline deadline)
{
    struct event event;
    enum wait_result result;

    event_assign(&event, loop_base(), fd, what, once_ready, task_current());
    event_add(&event, NULL);
    result = task_suspend(deadline);
    event_del(&event);
    return result;
}

enum wait_result task_wait_readable(int fd, struct deadline deadline)
{
    return wait_once(fd, EV_READ, deadline);
}

enum wait_result task_wait_writable(int fd, struct deadline deadline)
{
    return wait_once(fd, EV_WRITE, deadline);
}
