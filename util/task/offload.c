#include "util/task/offload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/base/crew.h"
#include "util/base/list.h"
#include "util/base/log.h"
#include "util/task/internal.h"
#include "util/task/loop.h"

enum { DEFAULT_THREADS = 16, MOST_THREADS = 256 };

struct job {
    struct link link;
    offload_fn *function;
    void *argument;
    struct task *task;
    bool done; /* seen by the loop, not by the thread */
};

/* A process has one set of worker threads. */
static struct {
    pthread_mutex_t lock; /* guards waiting, finished, idle and ending */
    pthread_cond_t work;
    struct list waiting, finished;
    pthread_t threads[MOST_THREADS];
    int started, idle, limit;
    bool running, ending;
    int wake_fd;
    struct loop_watch *watch;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .limit = DEFAULT_THREADS};

void offload_set_threads(int count)
{
    assert(count > 0);
    pool.limit = count < MOST_THREADS ? count : MOST_THREADS;
}

static void *worker(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        struct job *job;
        bool first;

        while (list_empty(&pool.waiting) && !pool.ending) {
            pool.idle++;
            pthread_cond_wait(&pool.work, &pool.lock);
            pool.idle--;
        }
        if (list_empty(&pool.waiting))
            break;
        job = list_entry(list_take_first(&pool.waiting), struct job, link);
        pthread_mutex_unlock(&pool.lock);
        job->function(job->argument);
        pthread_mutex_lock(&pool.lock);
        first = list_empty(&pool.finished);
        list_append(&pool.finished, &job->link);
        if (first)
            (void)!write(pool.wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

static void jobs_finished(int fd, int events, void *context)
{
    uint64_t ignored;

    (void)events;
    (void)context;
    (void)!read(fd, &ignored, sizeof ignored);
    pthread_mutex_lock(&pool.lock);
    for (struct link *next; (next = list_take_first(&pool.finished)) != NULL;) {
        struct job *job = list_entry(next, struct job, link);

        job->done = true;
        task_resume(job->task);
    }
    pthread_mutex_unlock(&pool.lock);
}

static void pool_start(void)
{
    pool.running = true;
    pool.ending = false;
    list_init(&pool.waiting);
    list_init(&pool.finished);
    pool.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool.wake_fd < 0)
        die("eventfd: %s", strerror(errno));
    pool.watch = loop_watch_new(pool.wake_fd, LOOP_READ, jobs_finished, NULL);
}

void offload_run(offload_fn *function, void *argument)
{
    struct job job = {.function = function, .argument = argument, .task = task_current()};

    if (!pool.running)
        pool_start();
    pthread_mutex_lock(&pool.lock);
    list_append(&pool.waiting, &job.link);
    if ((size_t)pool.idle < pool.waiting.count && pool.started < pool.limit &&
        crew_start_thread(&pool.threads[pool.started], worker, NULL))
        pool.started++;
    pthread_cond_signal(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    if (pool.started == 0) { /* no thread to be had: do it here */
        list_remove(&pool.waiting, &job.link);
        function(argument);
        return;
    }
    while (!job.done)
        task_suspend_uncancelled();
}

void offload_end(void)
{
    if (!pool.running)
        return;
    pthread_mutex_lock(&pool.lock);
    pool.ending = true;
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    for (; pool.started > 0; pool.started--)
        pthread_join(pool.threads[pool.started - 1], NULL);
    loop_watch_free(pool.watch);
    close(pool.wake_fd);
    pool.running = false;
}
