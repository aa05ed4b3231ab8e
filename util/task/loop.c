#include "util/task/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdlib.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/internal.h"
#include "util/task/offload.h"

struct loop_watch {
    struct event event;
    loop_watch_fn *callback;
    void *context;
};

struct loop_timer {
    struct event event;
    loop_timer_fn *callback;
    void *context;
};

struct loop_signal_watch {
    struct loop_signal_watch *next;
    struct event event;
    loop_signal_fn *callback;
    void *context;
};

/* A process has one loop. */
static struct {
    struct event_base *base;
    struct loop_signal_watch *signals;
} loop;

struct event_base *loop_base(void)
{
    assert(loop.base != NULL);
    return loop.base;
}

void loop_start(void)
{
    struct event_config *config = event_config_new();

    assert(loop.base == NULL);
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is a failed write, for the one who wrote */
    if (config == NULL || (loop.base = event_base_new_with_config(config)) == NULL)
        die("cannot start the event loop");
    event_config_free(config);
    task_scheduler_start();
}

void loop_run(void)
{
    event_base_loop(loop_base(), EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(void)
{
    event_base_loopbreak(loop_base());
}

void loop_end(void)
{
    offload_end();
    task_scheduler_end();
    stream_buffers_end();
    while (loop.signals != NULL) {
        struct loop_signal_watch *next = loop.signals->next;

        event_del(&loop.signals->event);
        free(loop.signals);
        loop.signals = next;
    }
    event_base_free(loop_base());
    loop.base = NULL;
    libevent_global_shutdown();
}

static void loop_watch_ready(evutil_socket_t fd, short events, void *context)
{
    struct loop_watch *watch = context;

    watch->callback(fd, ((events & EV_READ) != 0 ? LOOP_READ : 0) | ((events & EV_WRITE) != 0 ? LOOP_WRITE : 0),
                    watch->context);
}

struct loop_watch *loop_watch_new(int fd, int events, loop_watch_fn *callback, void *context)
{
    struct loop_watch *watch = memory_new(sizeof *watch);
    int what = EV_PERSIST | ((events & LOOP_READ) != 0 ? EV_READ : 0) | ((events & LOOP_WRITE) != 0 ? EV_WRITE : 0);

    watch->callback = callback;
    watch->context = context;
    event_assign(&watch->event, loop_base(), fd, (short)what, loop_watch_ready, watch);
    event_add(&watch->event, NULL);
    return watch;
}

void loop_watch_free(struct loop_watch *watch)
{
    if (watch == NULL)
        return;
    event_del(&watch->event);
    free(watch);
}

static void loop_timer_due(evutil_socket_t fd, short events, void *context)
{
    struct loop_timer *timer = context;

    (void)fd;
    (void)events;
    timer->callback(timer->context);
}

struct loop_timer *loop_timer_new(loop_timer_fn *callback, void *context)
{
    struct loop_timer *timer = memory_new(sizeof *timer);

    timer->callback = callback;
    timer->context = context;
    evtimer_assign(&timer->event, loop_base(), loop_timer_due, timer);
    return timer;
}

void loop_timer_set(struct loop_timer *timer, duration length)
{
    struct timeval when = {length / SECONDS, length % SECONDS};

    event_add(&timer->event, &when);
}

void loop_timer_clear(struct loop_timer *timer)
{
    event_del(&timer->event);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    event_del(&timer->event);
    free(timer);
}

static void loop_signal_arrived(evutil_socket_t number, short events, void *context)
{
    struct loop_signal_watch *watch = context;

    (void)events;
    watch->callback(number, watch->context);
}

void loop_signal(int number, loop_signal_fn *callback, void *context)
{
    struct loop_signal_watch *watch = memory_new(sizeof *watch);

    watch->callback = callback;
    watch->context = context;
    evsignal_assign(&watch->event, loop_base(), number, loop_signal_arrived, watch);
    event_add(&watch->event, NULL);
    watch->next = loop.signals;
    loop.signals = watch;
}
