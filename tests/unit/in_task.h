/* For tests of what runs in tasks: a loop that lives as long as one test. */
#ifndef TESTS_UNIT_IN_TASK_H
#define TESTS_UNIT_IN_TASK_H

#include "util/task/loop.h"
#include "util/task/task.h"

/* Runs one task to its end on a loop of its own. */
static inline void run_in_task(task_fn *run, void *argument)
{
    loop_start();
    task_start(run, argument);
    loop_run();
    assert_int_equal(task_count(), 0);
    loop_end();
}

static inline void stop_when_alone(void *unused)
{
    (void)unused;
    while (task_count() > 1)
        task_sleep(1 * MILLISECONDS);
    loop_stop();
}

#endif
