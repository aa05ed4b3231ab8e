#include "master/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mail/service/protocol.h"
#include "mail/service/share.h"
#include "master/spawn.h"
#include "util/base/log.h"
#include "util/base/memory.h"

#define SHORT_LIFE (2 * SECONDS)       /* a process that ends so soon has not got far */
#define STRESS_LASTS (1000 * SECONDS)  /* as STRESS_README says */
#define WARNING_DISTANCE (100 * SECONDS)
enum { SHORT_LIVES_LIMIT = 5 };

static void reconsider(struct supervised *service);

/* ---- how many ---- */

/* One that drains still counts where only one may run: two queue managers would be one too many. */
static bool counts(const struct process *process)
{
    if (process->outdated)
        return false;
    return process->state != PROCESS_DRAINING || process->service->entry->process_limit == 1;
}

static long running(const struct supervised *service)
{
    long count = 0;

    list_each(link, next, &service->processes)
        count += counts(list_entry(link, struct process, link));
    return count;
}

static long free_slot(const struct supervised *service)
{
    for (long slot = 0;; slot++) {
        bool taken = false;

        list_each(link, next, &service->processes) {
            const struct process *process = list_entry(link, struct process, link);

            taken = taken || (process->slot == slot && counts(process));
        }
        if (!taken)
            return slot;
    }
}

static struct process *find_in_state(const struct supervised *service, enum process_state state)
{
    list_each(link, next, &service->processes) {
        struct process *process = list_entry(link, struct process, link);

        if (process->state == state)
            return process;
    }
    return NULL;
}

/* ---- talking to processes ---- */

static void say(struct process *process, enum master_says what)
{
    char byte = (char)what;

    (void)!send(process->control_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drain(struct process *process)
{
    if (process->state == PROCESS_DRAINING)
        return;
    say(process, MASTER_DRAIN); /* one that is starting reads it when it is ready */
    process->state = PROCESS_DRAINING;
}

static void drain_all(struct supervised *service)
{
    list_each(link, next, &service->processes)
        drain(list_entry(link, struct process, link));
}

/* ---- the process limit, and stress ---- */

/* All places are taken, so clients wait. Processes that know of the stress keep them waiting for less long: the
 * next ones do, and those that run finish and go (STRESS_README). */
static void enter_stress(struct supervised *service)
{
    bool is_new = clock_monotonic() > service->stressed_until;

    service->stressed_until = clock_monotonic() + STRESS_LASTS;
    if (is_new && service->entry->process_limit > 1)
        drain_all(service);
}

static void warn_of_limit(struct supervised *service)
{
    const struct master_service *entry = service->entry;
    const char *where = service->listeners.count > 0 ? service->listeners.items[0]->key : "";

    if (service->warned_at != 0 && clock_monotonic() - service->warned_at < WARNING_DISTANCE)
        return;
    service->warned_at = clock_monotonic();
    where += strcspn(where, "/") + 1;
    log_warning(NULL, "service \"%s\" (%s) has reached its process limit \"%d\": "
                      "new clients may experience noticeable delays", entry->name, where, entry->process_limit);
    log_warning(NULL, "to avoid this condition, increase the process count in master.cf or reduce the service time "
                      "per client");
    log_warning(NULL, "see https://www.postfix.org/STRESS_README.html for examples of stress-adapting configuration "
                      "settings");
}

/* A delivery agent is full as soon as it has the queue manager's channel; that is no news. */
static void consider_limit(struct supervised *service)
{
    if (service->entry == NULL || service->entry->type != SERVICE_INET || service->entry->process_limit == 0 ||
        running(service) < service->process_limit || find_in_state(service, PROCESS_OPEN) != NULL ||
        find_in_state(service, PROCESS_STARTING) != NULL)
        return;
    warn_of_limit(service);
    enter_stress(service);
}

/* ---- what processes say ---- */

static void relieve_outdated(struct supervised *service)
{
    list_each(link, next, &service->processes)
        if (list_entry(link, struct process, link)->outdated)
            drain(list_entry(link, struct process, link));
}

static void process_is_ready(struct process *process)
{
    relieve_outdated(process->service);
    process->was_ready = true;
    process->service->was_used = true;
    if (process->state == PROCESS_STARTING)
        process->state = PROCESS_OPEN;
    if (process->wake_when_ready)
        say(process, MASTER_WAKEUP);
    process->wake_when_ready = false;
}

static void hear(struct process *process, char what)
{
    if (what == SERVICE_READY)
        process_is_ready(process);
    if (process->state == PROCESS_DRAINING)
        return;
    if (what == SERVICE_OPEN)
        process->state = PROCESS_OPEN;
    if (what == SERVICE_FULL) {
        process->state = PROCESS_FULL;
        consider_limit(process->service);
    }
}

static void control_ready(int fd, int events, void *context)
{
    struct process *process = context;
    char what;
    ssize_t got = recv(fd, &what, 1, MSG_DONTWAIT);

    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) { /* SIGCHLD brings the rest of the news */
        loop_watch_free(process->control);
        process->control = NULL;
        return;
    }
    hear(process, what);
    reconsider(process->service);
}

/* ---- starting ---- */

static void pause_starting(struct supervised *service, duration length)
{
    service->throttled = true;
    loop_timer_set(service->throttle, length);
}

static void throttle(struct supervised *service)
{
    service->short_lives = 0;
    service->fork_failures = 0;
    log_warning(NULL, "%s: bad command startup -- throttling", service->path);
    pause_starting(service, service->settings->master.service_throttle_time);
}

static void fork_failed(struct supervised *service, const struct error *error)
{
    log_warning(NULL, "%s: %s", service->path, error->text);
    if (++service->fork_failures < service->settings->mail.fork_attempts)
        pause_starting(service, service->settings->mail.fork_delay);
    else
        throttle(service);
}

static void throttle_over(void *context)
{
    struct supervised *service = context;

    service->throttled = false;
    reconsider(service);
}

static void start_process(struct supervised *service)
{
    struct process *process = memory_new(sizeof *process);
    struct spawn_request request = {
        .path = service->path,
        .service = service->entry,
        .listeners = &service->listeners,
        .only_one = service->process_limit == 1 && service->entry->process_limit <= 1,
        .stressed = clock_monotonic() < service->stressed_until,
    };
    struct error error;

    process->service = service;
    process->slot = free_slot(service);
    request.session_limit = service_session_limit(service->entry, service->settings->mail.sessions_per_process,
                                                  service->process_limit, process->slot);
    process->pid = spawn_service(&request, &process->control_fd, &error);
    if (process->pid < 0) {
        free(process);
        fork_failed(service, &error);
        return;
    }
    service->fork_failures = 0;
    process->path = memory_copy_string(service->path);
    process->state = PROCESS_STARTING;
    process->started_at = clock_monotonic();
    process->control = loop_watch_new(process->control_fd, LOOP_READ, control_ready, process);
    process->wake_when_ready = service->wakeup_due;
    service->wakeup_due = false;
    list_append(&service->processes, &process->link);
    log_debug(1, "started %s pid %ld for %s", service->path, (long)process->pid, service->key);
}

static bool may_start(const struct supervised *service)
{
    return service->entry != NULL && !service->throttled && running(service) < service->process_limit;
}

static void socket_ready(int fd, int events, void *context)
{
    struct supervised *service = context;

    (void)fd;
    (void)events;
    if (may_start(service))
        start_process(service);
    reconsider(service);
}

static void set_watching(struct supervised *service, bool watch)
{
    for (size_t i = 0; i < service->listeners.count; i++) {
        if (watch && service->watches[i] == NULL)
            service->watches[i] = loop_watch_new(service->listeners.items[i]->fd, LOOP_READ, socket_ready, service);
        if (!watch) {
            loop_watch_free(service->watches[i]);
            service->watches[i] = NULL;
        }
    }
}

static void deliver_wakeup(struct supervised *service)
{
    struct process *process = find_in_state(service, PROCESS_OPEN);

    if (process == NULL)
        process = find_in_state(service, PROCESS_FULL);
    if (process != NULL) {
        say(process, MASTER_WAKEUP);
        service->wakeup_due = false;
    } else if ((process = find_in_state(service, PROCESS_STARTING)) != NULL) {
        process->wake_when_ready = true;
        service->wakeup_due = false;
    } else if (may_start(service)) {
        start_process(service);
    }
}

/* After every change in what runs. */
static void reconsider(struct supervised *service)
{
    if (service->entry == NULL)
        return;
    if (service->wakeup_due)
        deliver_wakeup(service);
    set_watching(service, may_start(service) && find_in_state(service, PROCESS_STARTING) == NULL &&
                              find_in_state(service, PROCESS_OPEN) == NULL);
}

static void wakeup_time(void *context)
{
    struct supervised *service = context;

    loop_timer_set(service->wakeup, service->entry->wakeup);
    if (service->entry->wakeup_if_used && !service->was_used)
        return;
    service->wakeup_due = true;
    reconsider(service);
}

/* ---- ending ---- */

static void log_end(const struct process *process, int status)
{
    bool was_asked = process->service->entry == NULL && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;

    if (was_asked)
        return;
    if (WIFSIGNALED(status))
        log_warning(NULL, "process %s pid %ld killed by signal %d", process->path, (long)process->pid,
                    WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        log_warning(NULL, "process %s pid %ld exit status %d", process->path, (long)process->pid,
                    WEXITSTATUS(status));
}

static bool was_killed(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM);
}

/* A start that failed will fail again, and so will, most likely, the fifth crash in a row soon after a start. Who
 * was killed by somebody else did not crash. */
static void judge_end(struct supervised *service, const struct process *process, int status)
{
    bool soon = clock_monotonic() - process->started_at < SHORT_LIFE;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        service->short_lives = 0;
        return;
    }
    service->short_lives = soon && !was_killed(status) ? service->short_lives + 1 : 0;
    if (!process->was_ready || service->short_lives >= SHORT_LIVES_LIMIT)
        throttle(service);
    if (service->entry->wakeup > 0) /* what it was at must not wait for the next wakeup */
        service->wakeup_due = true;
}

void supervised_process_ended(struct process *process, int status)
{
    struct supervised *service = process->service;

    log_end(process, status);
    list_remove(&service->processes, &process->link);
    if (service->entry != NULL && process->state != PROCESS_DRAINING)
        judge_end(service, process, status);
    loop_watch_free(process->control);
    close(process->control_fd);
    free(process->path);
    free(process);
    reconsider(service);
}

struct process *supervised_find(struct supervised *service, pid_t pid)
{
    list_each(link, next, &service->processes) {
        struct process *process = list_entry(link, struct process, link);

        if (process->pid == pid)
            return process;
    }
    return NULL;
}

/* ---- life ---- */

struct supervised *supervised_new(const char *key)
{
    struct supervised *service = memory_new(sizeof *service);

    service->key = memory_copy_string(key);
    list_init(&service->processes);
    service->throttle = loop_timer_new(throttle_over, service);
    service->wakeup = loop_timer_new(wakeup_time, service);
    return service;
}

static void drop_listeners(struct supervised *service)
{
    set_watching(service, false);
    free(service->watches);
    free(service->listeners.items);
    service->watches = NULL;
    service->listeners = (struct listener_list){0};
}

/* Nobody may find the log's service away: a line that waits holds up the mail. The old process stays until the new
 * one is ready. */
static void let_go_of_processes(struct supervised *service, const struct master_service *entry)
{
    if (entry->type != SERVICE_UNIX_DGRAM) {
        drain_all(service);
        return;
    }
    list_each(link, next, &service->processes)
        list_entry(link, struct process, link)->outdated = true;
}

void supervised_configure(struct supervised *service, const struct settings *settings,
                          const struct master_service *entry, const char *path, struct listener_list listeners)
{
    drop_listeners(service);
    let_go_of_processes(service, entry);
    service->listeners = listeners;
    service->watches = memory_new((listeners.count + 1) * sizeof *service->watches);
    service->settings = settings;
    service->entry = entry;
    free(service->path);
    service->path = memory_copy_string(path);
    service->process_limit = service_process_limit(entry, settings->mail.sessions_per_process);
    service->throttled = false;
    service->short_lives = 0;
    loop_timer_clear(service->throttle);
    loop_timer_clear(service->wakeup);
}

void supervised_retire(struct supervised *service)
{
    drop_listeners(service);
    drain_all(service);
    loop_timer_clear(service->throttle);
    loop_timer_clear(service->wakeup);
    service->entry = NULL;
    service->settings = NULL;
}

void supervised_activate(struct supervised *service)
{
    if (service->entry->wakeup > 0)
        wakeup_time(service);
    if (service->entry->type == SERVICE_UNIX_DGRAM && !list_empty(&service->processes))
        start_process(service);
    reconsider(service);
}

bool supervised_is_over(const struct supervised *service)
{
    return service->entry == NULL && list_empty(&service->processes);
}

void supervised_free(struct supervised *service)
{
    drop_listeners(service);
    loop_timer_free(service->throttle);
    loop_timer_free(service->wakeup);
    free(service->key);
    free(service->path);
    free(service);
}
