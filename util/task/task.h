/* task - one conversation with a stack of its own.
 *
 * Between two waits a task runs alone: tasks of a process need no locks among themselves. A wait returns
 * WAIT_READY, WAIT_TIMEOUT or WAIT_CANCELLED; once a task is cancelled all its waits return that at once, so
 * that it unwinds through its own cleanup. Stacks are mapped with a guard page and reused. */
#ifndef UTIL_TASK_TASK_H
#define UTIL_TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/clock.h"
#include "util/base/list.h"

enum { TASK_STACK_SIZE = 128 * 1024 }; /* bytes; only touched pages cost memory */

enum wait_result { WAIT_READY, WAIT_TIMEOUT, WAIT_CANCELLED };

struct task;
typedef void task_fn(void *argument);

/* Starts a task; it first runs when the caller waits or returns to the loop. The task frees itself: keep the
 * pointer only while you know that it has not ended. */
struct task *task_start(task_fn *run, void *argument);
struct task *task_current(void); /* NULL on the loop's own stack */
void task_cancel(struct task *task);
bool task_cancelled(void); /* the current one */
size_t task_count(void);   /* tasks that have not ended */

enum wait_result task_sleep(duration length);
void task_yield(void); /* lets the others run, and those whose input or time has come: back in the loop's next turn */

/* Waits for one descriptor, without keeping it registered. */
enum wait_result task_wait_readable(int fd, struct deadline deadline);
enum wait_result task_wait_writable(int fd, struct deadline deadline);

/* A descriptor that stays registered (edge triggered), for connections that wait many times. One reader and one
 * writer at most; to be called after the system call said EAGAIN. */
struct task_watch;
struct task_watch *task_watch_new(int fd);
void task_watch_free(struct task_watch *watch);
bool task_watch_closed(const struct task_watch *watch); /* word has come that the peer sends no more */
enum wait_result task_watch_wait_readable(struct task_watch *watch, struct deadline deadline);
enum wait_result task_watch_wait_writable(struct task_watch *watch, struct deadline deadline);

/* Something that tasks wait for and others announce. Announcing works from loop callbacks too, not from threads. */
struct task_condition {
    struct list waiters;
};

void task_condition_init(struct task_condition *condition);
enum wait_result task_condition_wait(struct task_condition *condition, struct deadline deadline);
/* The same for what must be waited for even by a cancelled task. */
void task_condition_wait_on(struct task_condition *condition);
void task_condition_wake_one(struct task_condition *condition);
void task_condition_wake_all(struct task_condition *condition);

/* A number of places, taken and given back; waiters come in order. */
struct task_semaphore {
    long available;
    struct task_condition condition;
};

void task_semaphore_init(struct task_semaphore *semaphore, long places);
enum wait_result task_semaphore_take(struct task_semaphore *semaphore, struct deadline deadline);
void task_semaphore_give(struct task_semaphore *semaphore);

#endif
