/* loop - the one event loop of a process, its timers and its callbacks.
 *
 * Tasks live on top of it (task.h). Callbacks registered here run on the loop's own stack and must not wait. */
#ifndef UTIL_TASK_LOOP_H
#define UTIL_TASK_LOOP_H

#include <stdbool.h>

#include "util/base/clock.h"

void loop_start(void); /* once a process, before anything else of util/task */
void loop_run(void);   /* until loop_stop */
void loop_stop(void);
void loop_end(void); /* gives everything back; for tests and orderly exits */

enum loop_event { LOOP_READ = 1, LOOP_WRITE = 2 };

/* Calls back whenever fd is ready (level triggered), until freed. */
struct loop_watch;
typedef void loop_watch_fn(int fd, int events, void *context);
struct loop_watch *loop_watch_new(int fd, int events, loop_watch_fn *callback, void *context);
void loop_watch_free(struct loop_watch *watch); /* NULL is fine */

/* Calls back once after length; armed again with loop_timer_set, from within the callback too. */
struct loop_timer;
typedef void loop_timer_fn(void *context);
struct loop_timer *loop_timer_new(loop_timer_fn *callback, void *context);
void loop_timer_set(struct loop_timer *timer, duration length);
void loop_timer_clear(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer); /* NULL is fine */

/* Calls back in the loop when the signal has arrived. */
typedef void loop_signal_fn(int number, void *context);
void loop_signal(int number, loop_signal_fn *callback, void *context);

#endif
