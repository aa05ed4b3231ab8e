/* crew - a few threads that do jobs side by side, for who may block: a command, or a service that reads many files.
 *
 * Jobs are handed back in the order they were given. Whoever waits for one works along meanwhile, so that a crew of no
 * threads does everything itself, one job after another. Threads start when jobs pile up. */
#ifndef UTIL_BASE_CREW_H
#define UTIL_BASE_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Runs in any thread: it may use its job and what does not change, and must not log. */
typedef void crew_work_fn(void *job);

struct crew;

struct crew *crew_new(crew_work_fn *work, size_t threads);
/* Waits for the jobs that are under way; those that nobody has begun are dropped. */
void crew_free(struct crew *crew);

enum { CREW_ROOM = 32 }; /* jobs that may be out at a time */

size_t crew_out(const struct crew *crew); /* given and not taken yet */
void crew_give(struct crew *crew, void *job);
void *crew_take(struct crew *crew); /* the oldest, when it is done; NULL: none is out */

/* Starts a thread that no signal is delivered to. False: there are none to be had. */
bool crew_start_thread(pthread_t *thread, void *(*run)(void *), void *argument);

#endif
