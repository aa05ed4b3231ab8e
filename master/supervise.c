#include "master/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mail/service/share.h"
#include "master/processes.h"
#include "master/spawn.h"
#include "master/stress.h"
#include "util/base/log.h"
#include "util/base/memory.h"

#define SHORT_LIFE (2 * SECONDS) /* a process that ends so soon has not got far */
enum { SHORT_LIVES_LIMIT = 5 };

static void reconsider(struct supervised *service);

/* ---- what processes say ---- */

static void process_is_ready(struct process *process)
{
    processes_relieve(process->service);
    process->was_ready = true;
    process->service->was_used = true;
    if (process->state == PROCESS_STARTING)
        process->state = PROCESS_OPEN;
    if (process->wake_when_ready)
        process_say(process, MASTER_WAKEUP);
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
    if (what == SERVICE_FULL || what == SERVICE_LEAVING)
        process->state = PROCESS_FULL;
    if (what == SERVICE_FULL)
        stress_consider(process->service);
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
        .stressed = stress_is_on(service),
    };
    struct error error;

    process->service = service;
    process->slot = processes_free_slot(service);
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
    return service->entry != NULL && !service->throttled && processes_running(service) < service->process_limit;
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
    struct process *process = processes_find(service, PROCESS_OPEN);

    if (process == NULL)
        process = processes_find(service, PROCESS_FULL);
    if (process != NULL) {
        process_say(process, MASTER_WAKEUP);
        service->wakeup_due = false;
    } else if ((process = processes_find(service, PROCESS_STARTING)) != NULL) {
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
    set_watching(service, may_start(service) && processes_find(service, PROCESS_STARTING) == NULL &&
                              processes_find(service, PROCESS_OPEN) == NULL);
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

void supervised_configure(struct supervised *service, const struct settings *settings,
                          const struct master_service *entry, const char *path, struct listener_list listeners)
{
    drop_listeners(service);
    processes_replace(service, entry);
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
    processes_drain(service);
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
