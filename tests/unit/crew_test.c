/* A crew hands jobs back in the order they were given, each done once, with threads and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/base/crew.h"

enum { JOBS = 5000 };

struct job {
    unsigned number, result, times;
};

/* Of different lengths, so that they would overtake one another. */
static void work(void *argument)
{
    struct job *job = argument;

    job->result = job->number;
    for (unsigned i = 0; i < (job->number * 7919) % 3000; i++)
        job->result = job->result * 1103515245 + 12345;
    job->times++;
}

static void take_one(struct crew *crew, struct job *jobs, unsigned *taken)
{
    struct job expected = {.number = *taken};

    work(&expected);
    assert_ptr_equal(crew_take(crew), &jobs[*taken]);
    assert_int_equal(jobs[*taken].result, expected.result);
    assert_int_equal(jobs[*taken].times, 1);
    ++*taken;
}

static void run_jobs(size_t threads, size_t most_out)
{
    static struct job jobs[JOBS];
    struct crew *crew = crew_new(work, threads);
    unsigned taken = 0;

    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.number = i};
        if (crew_out(crew) == most_out)
            take_one(crew, jobs, &taken);
        crew_give(crew, &jobs[i]);
    }
    while (taken < JOBS)
        take_one(crew, jobs, &taken);
    assert_int_equal(crew_out(crew), 0);
    assert_null(crew_take(crew));
    crew_free(crew);
}

static void in_order(void **state)
{
    (void)state;
    run_jobs(4, CREW_ROOM);
    run_jobs(1, 3);
    run_jobs(100, CREW_ROOM);
    run_jobs(4, 1);
}

static void without_threads(void **state)
{
    (void)state;
    run_jobs(0, CREW_ROOM);
    run_jobs(0, 1);
}

static void left_alone(void **state)
{
    struct job jobs[CREW_ROOM] = {{0}};
    struct crew *crew = crew_new(work, 3);

    (void)state;
    for (size_t i = 0; i < CREW_ROOM; i++)
        crew_give(crew, &jobs[i]);
    crew_free(crew);
    for (size_t i = 0; i < CREW_ROOM; i++)
        assert_in_range(jobs[i].times, 0, 1);
    crew_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(without_threads),
        cmocka_unit_test(left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
