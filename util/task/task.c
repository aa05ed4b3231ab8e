#include "util/task/task.h"

#include <assert.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/internal.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef WITH_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0u
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#endif

enum { SPARE_STACKS = 128 };

/* A stack and the task on it: the struct lies at the stack's upper end, so that starting a task allocates
 * nothing when a spare stack is at hand. Below the stack lies a page that may not be touched. */
struct task {
    struct link link; /* in the run queue, the spare stacks, or a condition's waiters */
    struct list *queue; /* the list that link is in, or NULL */
    jmp_buf registers;
    task_fn *run;
    void *argument;
    struct event timer;
    enum wait_result result;
    bool fresh; /* nothing has run on this stack yet */
    bool suspended, cancelled, ended;
    char *mapping;
    unsigned valgrind_id;
    void *fake_stack; /* AddressSanitizer's, while the task does not run */
};

/* The scheduler of this process's only loop. */
static struct {
    struct list runnable;
    struct list yielded; /* runnable in the loop's next turn */
    struct list spare;
    struct task *current;
    size_t count;
    jmp_buf registers; /* of the loop's own stack */
    ucontext_t fresh;  /* for the first entry of a stack */
    struct event run, turn;
    void *fake_stack;
    const void *loop_stack;
    size_t loop_stack_size;
} scheduler;

/* ---- switching ----
 * ucontext makes the stack; setjmp and longjmp then switch, because swapcontext would ask the kernel for the
 * signal mask each time. */

/* Leaves the current task for the loop; comes back when the task is run again. */
static void leave_task(struct task *task)
{
    if (_setjmp(task->registers) == 0) {
#ifdef WITH_ADDRESS_SANITIZER
        __sanitizer_start_switch_fiber(&task->fake_stack, scheduler.loop_stack, scheduler.loop_stack_size);
#endif
        _longjmp(scheduler.registers, 1);
    }
#ifdef WITH_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(task->fake_stack, &scheduler.loop_stack, &scheduler.loop_stack_size);
#endif
}

/* The bottom of every task stack; a spare stack comes back into this loop with its next task. */
static void task_entry(void)
{
    struct task *task = scheduler.current;

#ifdef WITH_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(NULL, &scheduler.loop_stack, &scheduler.loop_stack_size);
#endif
    for (;;) {
        task->run(task->argument);
        task->ended = true;
        leave_task(task);
    }
}

static void enter_fresh_stack(struct task *task, char *stack, size_t size)
{
    ucontext_t *context = &scheduler.fresh;

    if (getcontext(context) != 0)
        die("getcontext: %s", strerror(errno));
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = size;
    context->uc_link = NULL;
    makecontext(context, task_entry, 0);
    task->fresh = false;
    setcontext(context);
}

static void run_task(struct task *task)
{
    size_t size = (size_t)((char *)task - task->mapping);

    scheduler.current = task;
    if (_setjmp(scheduler.registers) == 0) {
#ifdef WITH_ADDRESS_SANITIZER
        __sanitizer_start_switch_fiber(&scheduler.fake_stack, task->mapping, size);
#endif
        if (task->fresh)
            enter_fresh_stack(task, task->mapping, size);
        else
            _longjmp(task->registers, 1);
    }
#ifdef WITH_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(scheduler.fake_stack, NULL, NULL);
#endif
    scheduler.current = NULL;
}

/* ---- stacks ---- */

static void task_timed_out(evutil_socket_t fd, short events, void *context)
{
    struct task *task = context;

    (void)fd;
    (void)events;
    if (!task->suspended) /* woken in this very turn */
        return;
    task->result = WAIT_TIMEOUT;
    task_resume(task);
}

static struct task *stack_new(void)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE), room = (sizeof(struct task) + 63) / 64 * 64;
    char *memory = mmap(NULL, guard + TASK_STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    struct task *task;

    if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE) != 0)
        die("out of memory for task stacks: %s", strerror(errno));
    task = (struct task *)(void *)(memory + guard + TASK_STACK_SIZE - room);
    task->mapping = memory + guard;
    task->fresh = true;
    task->valgrind_id = VALGRIND_STACK_REGISTER(task->mapping, task);
    evtimer_assign(&task->timer, loop_base(), task_timed_out, task);
    return task;
}

static void stack_free(struct task *task)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);

    VALGRIND_STACK_DEREGISTER(task->valgrind_id);
    munmap(task->mapping - guard, guard + TASK_STACK_SIZE);
}

/* ---- the run queue ---- */

static void make_runnable(struct task *task)
{
    task->queue = &scheduler.runnable;
    list_append(&scheduler.runnable, &task->link);
    if (scheduler.runnable.count == 1)
        event_active(&scheduler.run, EV_TIMEOUT, 0);
}

static void task_finished(struct task *task)
{
    scheduler.count--;
    if (scheduler.spare.count < SPARE_STACKS)
        list_prepend(&scheduler.spare, &task->link);
    else
        stack_free(task);
}

static void run_all(evutil_socket_t fd, short events, void *context)
{
    struct link *next;

    (void)fd;
    (void)events;
    (void)context;
    log_hold();
    while ((next = list_take_first(&scheduler.runnable)) != NULL) {
        struct task *task = list_entry(next, struct task, link);

        task->queue = NULL;
        run_task(task);
        if (task->ended)
            task_finished(task);
    }
    log_release();
}

/* The loop has looked at descriptors and timers since they yielded. */
static void end_turn(evutil_socket_t fd, short events, void *context)
{
    struct link *next;

    (void)fd;
    (void)events;
    (void)context;
    while ((next = list_take_first(&scheduler.yielded)) != NULL)
        make_runnable(list_entry(next, struct task, link));
}

void task_scheduler_start(void)
{
    list_init(&scheduler.runnable);
    list_init(&scheduler.yielded);
    list_init(&scheduler.spare);
    event_assign(&scheduler.run, loop_base(), -1, 0, run_all, NULL);
    event_assign(&scheduler.turn, loop_base(), -1, 0, end_turn, NULL);
}

void task_scheduler_end(void)
{
    struct link *next;

    event_del(&scheduler.run);
    event_del(&scheduler.turn);
    while ((next = list_take_first(&scheduler.spare)) != NULL)
        stack_free(list_entry(next, struct task, link));
}

struct task *task_start(task_fn *run, void *argument)
{
    struct link *spare = list_take_first(&scheduler.spare);
    struct task *task = spare != NULL ? list_entry(spare, struct task, link) : stack_new();

    task->run = run;
    task->argument = argument;
    task->suspended = task->cancelled = task->ended = false;
    scheduler.count++;
    make_runnable(task);
    return task;
}

struct task *task_current(void)
{
    return scheduler.current;
}

size_t task_count(void)
{
    return scheduler.count;
}

bool task_cancelled(void)
{
    return scheduler.current->cancelled;
}

/* ---- waiting ---- */

enum wait_result task_suspend(struct deadline deadline)
{
    struct task *task = scheduler.current;

    assert(task != NULL);
    if (task->cancelled)
        return WAIT_CANCELLED;
    task->result = WAIT_READY;
    task->suspended = true;
    if (deadline.at != INT64_MAX) {
        duration left = deadline_remaining(deadline);
        struct timeval when = {left / SECONDS, left % SECONDS};

        event_add(&task->timer, &when);
    }
    leave_task(task);
    if (deadline.at != INT64_MAX)
        event_del(&task->timer);
    return task->cancelled ? WAIT_CANCELLED : task->result;
}

void task_suspend_uncancelled(void)
{
    scheduler.current->suspended = true;
    leave_task(scheduler.current);
}

void task_resume(struct task *task)
{
    if (!task->suspended)
        return;
    task->suspended = false;
    if (task->queue != NULL) /* a condition's waiters */
        list_remove(task->queue, &task->link);
    make_runnable(task);
}

void task_cancel(struct task *task)
{
    task->cancelled = true;
    task_resume(task);
}

enum wait_result task_sleep(duration length)
{
    enum wait_result result = task_suspend(deadline_in(length));

    return result == WAIT_TIMEOUT ? WAIT_READY : result;
}

void task_yield(void)
{
    struct task *task = scheduler.current;

    task->queue = &scheduler.yielded;
    list_append(&scheduler.yielded, &task->link);
    if (scheduler.yielded.count == 1)
        event_add(&scheduler.turn, &(struct timeval){0});
    leave_task(task);
}

void task_condition_init(struct task_condition *condition)
{
    list_init(&condition->waiters);
}

enum wait_result task_condition_wait(struct task_condition *condition, struct deadline deadline)
{
    struct task *task = scheduler.current;
    enum wait_result result;

    if (task->cancelled)
        return WAIT_CANCELLED;
    task->queue = &condition->waiters;
    list_append(&condition->waiters, &task->link);
    result = task_suspend(deadline);
    return result;
}

void task_condition_wait_on(struct task_condition *condition)
{
    struct task *task = scheduler.current;

    task->queue = &condition->waiters;
    list_append(&condition->waiters, &task->link);
    task_suspend_uncancelled();
}

void task_condition_wake_one(struct task_condition *condition)
{
    struct link *first = list_first(&condition->waiters);

    if (first != NULL)
        task_resume(list_entry(first, struct task, link));
}

void task_condition_wake_all(struct task_condition *condition)
{
    while (!list_empty(&condition->waiters))
        task_condition_wake_one(condition);
}

void task_semaphore_init(struct task_semaphore *semaphore, long places)
{
    semaphore->available = places;
    task_condition_init(&semaphore->condition);
}

enum wait_result task_semaphore_take(struct task_semaphore *semaphore, struct deadline deadline)
{
    while (semaphore->available <= 0) {
        enum wait_result result = task_condition_wait(&semaphore->condition, deadline);

        if (result != WAIT_READY)
            return result;
    }
    semaphore->available--;
    return WAIT_READY;
}

void task_semaphore_give(struct task_semaphore *semaphore)
{
    semaphore->available++;
    task_condition_wake_one(&semaphore->condition);
}
