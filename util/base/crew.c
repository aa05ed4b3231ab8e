#include "util/base/crew.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "util/base/memory.h"

enum { MOST_THREADS = 16 };

struct crew {
    crew_work_fn *work;
    pthread_mutex_t lock; /* guards all below, but for the threads */
    pthread_cond_t given_changed, done_changed;
    void *jobs[CREW_ROOM];
    bool done[CREW_ROOM];
    size_t taken, started, given; /* how many so far: job n stands at n % CREW_ROOM */
    size_t idle;
    bool ending;
    pthread_t threads[MOST_THREADS];
    size_t thread_count, thread_limit;
};

bool crew_start_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
    sigset_t all, before;
    bool started;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(thread, NULL, run, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

struct crew *crew_new(crew_work_fn *work, size_t threads)
{
    struct crew *crew = memory_new(sizeof *crew);

    crew->work = work;
    crew->thread_limit = threads < MOST_THREADS ? threads : MOST_THREADS;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->given_changed, NULL);
    pthread_cond_init(&crew->done_changed, NULL);
    return crew;
}

/* The lock is held, and let go while the job is done. */
static void do_next(struct crew *crew)
{
    size_t index = crew->started++ % CREW_ROOM;

    pthread_mutex_unlock(&crew->lock);
    crew->work(crew->jobs[index]);
    pthread_mutex_lock(&crew->lock);
    crew->done[index] = true;
    pthread_cond_signal(&crew->done_changed);
}

static void *run_thread(void *argument)
{
    struct crew *crew = argument;

    pthread_mutex_lock(&crew->lock);
    while (!crew->ending) {
        if (crew->started < crew->given) {
            do_next(crew);
            continue;
        }
        crew->idle++;
        pthread_cond_wait(&crew->given_changed, &crew->lock);
        crew->idle--;
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

void crew_free(struct crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    pthread_cond_broadcast(&crew->given_changed);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->thread_count; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_cond_destroy(&crew->given_changed);
    pthread_cond_destroy(&crew->done_changed);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

size_t crew_out(const struct crew *crew)
{
    return crew->given - crew->taken; /* only the caller changes these */
}

/* The first job is the caller's, who will wait for it at once or give another. */
void crew_give(struct crew *crew, void *job)
{
    assert(crew_out(crew) < CREW_ROOM);
    pthread_mutex_lock(&crew->lock);
    crew->jobs[crew->given % CREW_ROOM] = job;
    crew->done[crew->given++ % CREW_ROOM] = false;
    if (crew->idle > 0)
        pthread_cond_signal(&crew->given_changed);
    else if (crew->given - crew->started > 1 && crew->thread_count < crew->thread_limit &&
             crew_start_thread(&crew->threads[crew->thread_count], run_thread, crew))
        crew->thread_count++;
    pthread_mutex_unlock(&crew->lock);
}

void *crew_take(struct crew *crew)
{
    size_t index = crew->taken % CREW_ROOM;

    if (crew_out(crew) == 0)
        return NULL;
    pthread_mutex_lock(&crew->lock);
    while (!crew->done[index]) {
        if (crew->started < crew->given)
            do_next(crew);
        else
            pthread_cond_wait(&crew->done_changed, &crew->lock);
    }
    crew->taken++;
    pthread_mutex_unlock(&crew->lock);
    return crew->jobs[index];
}
