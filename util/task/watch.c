/* Descriptors on which tasks wait. */
#include <assert.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/task/internal.h"

struct task_watch {
    struct event event;
    int fd;
    bool registered;
    bool readable, writable; /* an edge came and nobody has used it yet */
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
        event_del(&watch->event);
    free(watch);
}

static void watch_ready(evutil_socket_t fd, short events, void *context)
{
    struct task_watch *watch = context;

    (void)fd;
    if ((events & EV_READ) != 0) {
        watch->readable = true;
        if (watch->reader != NULL)
            task_resume(watch->reader);
    }
    if ((events & EV_WRITE) != 0) {
        watch->writable = true;
        if (watch->writer != NULL)
            task_resume(watch->writer);
    }
}

static enum wait_result watch_wait(struct task_watch *watch, struct task **waiter, bool *ready,
                                   struct deadline deadline)
{
    enum wait_result result = WAIT_READY;

    if (!watch->registered) {
        event_assign(&watch->event, loop_base(), watch->fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, watch_ready,
                     watch);
        event_add(&watch->event, NULL);
        watch->registered = true;
    }
    assert(*waiter == NULL);
    *waiter = task_current();
    while (!*ready && result == WAIT_READY)
        result = task_suspend(deadline);
    *waiter = NULL;
    if (*ready && result != WAIT_CANCELLED)
        result = WAIT_READY;
    *ready = false;
    return result;
}

enum wait_result task_watch_wait_readable(struct task_watch *watch, struct deadline deadline)
{
    return watch_wait(watch, &watch->reader, &watch->readable, deadline);
}

enum wait_result task_watch_wait_writable(struct task_watch *watch, struct deadline deadline)
{
    return watch_wait(watch, &watch->writer, &watch->writable, deadline);
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
