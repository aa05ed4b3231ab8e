#include "mail/service/share.h"

#include <limits.h>
#include <sched.h>

static long cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

long service_process_limit(const struct master_service *service, long sessions_per_process)
{
    long sessions = service->process_limit, processes;

    if (sessions_per_process == 1)
        return sessions == 0 ? LONG_MAX : sessions;
    if (sessions <= 1)
        return 1;
    processes = (sessions + sessions_per_process - 1) / sessions_per_process;
    return processes < cores() ? processes : cores();
}

long service_session_limit(const struct master_service *service, long sessions_per_process, long processes, long slot)
{
    long sessions = service->process_limit;

    if (sessions_per_process == 1)
        return 1;
    return sessions / processes + (slot < sessions % processes ? 1 : 0);
}
