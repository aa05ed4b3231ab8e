#include "master/processes.h"

#include <sys/socket.h>

/* ---- how many ---- */

/* One that drains still counts where only one may run: two queue managers would be one too many. */
static bool counts(const struct process *process)
{
    if (process->outdated)
        return false;
    return process->state != PROCESS_DRAINING || process->service->entry->process_limit == 1;
}

long processes_running(const struct supervised *service)
{
    long count = 0;

    list_each(link, next, &service->processes)
        count += counts(list_entry(link, struct process, link));
    return count;
}

long processes_free_slot(const struct supervised *service)
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

struct process *processes_find(const struct supervised *service, enum process_state state)
{
    list_each(link, next, &service->processes) {
        struct process *process = list_entry(link, struct process, link);

        if (process->state == state)
            return process;
    }
    return NULL;
}

/* ---- talking to processes ---- */

void process_say(struct process *process, enum master_says what)
{
    char byte = (char)what;

    (void)!send(process->control_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drain(struct process *process)
{
    if (process->state == PROCESS_DRAINING)
        return;
    process_say(process, MASTER_DRAIN); /* one that is starting reads it when it is ready */
    process->state = PROCESS_DRAINING;
}

void processes_drain(struct supervised *service)
{
    list_each(link, next, &service->processes)
        drain(list_entry(link, struct process, link));
}

/* ---- at reload ---- */

/* Nobody may find the log's service away: a line that waits holds up the mail. The old process stays until the new
 * one is ready. */
void processes_replace(struct supervised *service, const struct master_service *entry)
{
    if (entry->type != SERVICE_UNIX_DGRAM) {
        processes_drain(service);
        return;
    }
    list_each(link, next, &service->processes)
        list_entry(link, struct process, link)->outdated = true;
}

void processes_relieve(struct supervised *service)
{
    list_each(link, next, &service->processes)
        if (list_entry(link, struct process, link)->outdated)
            drain(list_entry(link, struct process, link));
}
