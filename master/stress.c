#include "master/stress.h"

#include <string.h>

#include "master/processes.h"
#include "util/base/log.h"

#define STRESS_LASTS (1000 * SECONDS) /* as STRESS_README says */
#define WARNING_DISTANCE (100 * SECONDS)

static void enter_stress(struct supervised *service)
{
    bool is_new = clock_monotonic() > service->stressed_until;

    service->stressed_until = clock_monotonic() + STRESS_LASTS;
    if (is_new && service->entry->process_limit > 1)
        processes_drain(service);
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
void stress_consider(struct supervised *service)
{
    if (service->entry == NULL || service->entry->type != SERVICE_INET || service->entry->process_limit == 0 ||
        processes_running(service) < service->process_limit || processes_find(service, PROCESS_OPEN) != NULL ||
        processes_find(service, PROCESS_STARTING) != NULL)
        return;
    warn_of_limit(service);
    enter_stress(service);
}

bool stress_is_on(const struct supervised *service)
{
    return clock_monotonic() < service->stressed_until;
}
