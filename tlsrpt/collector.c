#include "tlsrpt/collector.h"

#include <stdlib.h>

#include "tlsrpt/sender.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/task.h"

enum { WAITING_LIMIT = 2000 };

/* After each trip to the disk: what comes meanwhile shares the next one. */
static const duration pause_between = 200 * MILLISECONDS;
static const duration complaint_interval = 3600 * SECONDS;

struct collector {
    struct tlsrpt *tlsrpt;
    const struct tlsrpt_result *waiting[WAITING_LIMIT];
    size_t count;
    int64_t trips; /* to the disk so far */
    bool good;     /* the last one was */
    struct task_condition filled, written;
    bool writing;
    size_t lost; /* since the log last spoke of it */
    struct deadline next_complaint;
};

static void complain(struct collector *collector)
{
    if (collector->lost == 0 || !deadline_passed(collector->next_complaint))
        return;
    log_warning(NULL, "%zu TLS results were not counted: limits are reached (tlsrpt_domain_limit), or too many came at once",
                collector->lost);
    collector->lost = 0;
    collector->next_complaint = deadline_in(complaint_interval);
}

bool collector_open_counts(struct tlsrpt *tlsrpt, struct error *error)
{
    const struct tlsrpt_config *config = tlsrpt->config;
    const struct tlsrpt_limits limits = {.period = config->tlsrpt_report_interval / SECONDS,
                                         .domains = config->tlsrpt_domain_limit,
                                         .failures = config->tlsrpt_failure_limit};

    tlsrpt->counts = tlsrpt_counts_open(tlsrpt->environment->mail->data_directory, &limits, error);
    return tlsrpt->counts != NULL;
}

/* The file is tried again with the next ones: full disks become empty again. */
static void write_down(struct collector *collector)
{
    struct tlsrpt *tlsrpt = collector->tlsrpt;
    size_t uncounted = 0;
    struct error error;

    collector->good =
        (tlsrpt->counts != NULL || collector_open_counts(tlsrpt, &error)) &&
        tlsrpt_counts_add(tlsrpt->counts, collector->waiting, collector->count, clock_wall() / SECONDS, &uncounted, &error);
    if (collector->good)
        collector->lost += uncounted;
    else
        log_warning(NULL, "%zu TLS results are lost: %s", collector->count, error.text);
    collector->count = 0;
    collector->trips++;
    task_condition_wake_all(&collector->written);
    complain(collector);
    sender_look(tlsrpt->sender);
}

static void run(void *argument)
{
    struct collector *collector = argument;

    for (;;) {
        while (collector->count == 0)
            if (task_condition_wait(&collector->filled, deadline_never()) == WAIT_CANCELLED)
                return;
        collector->writing = true;
        write_down(collector);
        task_sleep(pause_between);
        collector->writing = false;
        if (collector->count == 0)
            service_no_longer_busy(collector->tlsrpt->environment);
    }
}

struct collector *collector_new(struct tlsrpt *tlsrpt)
{
    struct collector *collector = memory_new(sizeof *collector);

    collector->tlsrpt = tlsrpt;
    collector->next_complaint = deadline_in(0);
    task_condition_init(&collector->filled);
    task_condition_init(&collector->written);
    task_start(run, collector);
    return collector;
}

bool collector_add(struct collector *collector, const struct tlsrpt_result *result)
{
    int64_t trips = collector->trips;

    if (collector->count == WAITING_LIMIT) {
        collector->lost++;
        return false;
    }
    collector->waiting[collector->count++] = result;
    task_condition_wake_all(&collector->filled);
    while (collector->trips == trips) /* even when this task is cancelled: the result is its own */
        task_condition_wait_on(&collector->written);
    return collector->good;
}

bool collector_busy(const struct collector *collector)
{
    return collector->count > 0 || collector->writing;
}
