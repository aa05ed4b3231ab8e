/* What the sources of util/task share with one another, and nobody else sees. */
#ifndef UTIL_TASK_INTERNAL_H
#define UTIL_TASK_INTERNAL_H

#include <event2/event.h>

#include "util/base/clock.h"
#include "util/task/task.h"

struct event_base *loop_base(void);

/* Suspends the current task until task_resume, its deadline, or its cancellation. */
enum wait_result task_suspend(struct deadline deadline);
/* The same for what must be waited for even by a cancelled task: until task_resume or task_cancel. */
void task_suspend_uncancelled(void);
/* Makes a suspended task runnable. Harmless when it is runnable already. */
void task_resume(struct task *task);
void task_scheduler_start(void);
void task_scheduler_end(void);
void stream_buffers_end(void); /* gives back what streams keep at hand */

#endif
