#include "qmgr/agent.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "mail/config/master_cf.h"
#include "mail/service/share.h"
#include "util/base/memory.h"

/* One process of the transport. */
struct agent {
    struct channel *channel; /* NULL: not connected */
    bool connecting;
    long running, limit;
};

struct agents {
    struct manager *manager;
    char *path;
    struct agent *items;
    long count;
    long reserved, limit; /* deliveries of all processes together */
    struct task_condition changed;
};

enum { MOST_AGENTS = 10000 };

static long bounded(long wanted, long most)
{
    return wanted < most ? wanted : most;
}

static void divide(struct agents *agents, const struct master_service *service, long sessions_per_process)
{
    agents->count = bounded(service_process_limit(service, sessions_per_process), MOST_AGENTS);
    agents->items = memory_new((size_t)agents->count * sizeof *agents->items);
    for (long i = 0; i < agents->count; i++) {
        long limit = service_session_limit(service, sessions_per_process, agents->count, i);

        agents->items[i].limit = limit > 0 ? limit : LONG_MAX;
        agents->limit = limit > 0 ? agents->limit + limit : LONG_MAX;
    }
}

struct agents *agents_new(struct manager *manager, const char *transport)
{
    struct agents *agents = memory_new(sizeof *agents);
    const struct config *config = manager->environment->config;
    struct master_service single = {.process_limit = 1};
    const struct master_service *found = &single;

    agents->manager = manager;
    agents->path = memory_format("private/%s", transport);
    task_condition_init(&agents->changed);
    for (size_t i = 0; i < manager->master_cf->count; i++)
        if (strcmp(manager->master_cf->services[i].name, transport) == 0 &&
            manager->master_cf->services[i].type == SERVICE_UNIX)
            found = &manager->master_cf->services[i];
    divide(agents, found, config_get_count(config, "sessions_per_process", 1));
    return agents;
}

bool agents_free(const struct agents *agents)
{
    return agents->reserved < agents->limit;
}

void agents_reserve(struct agents *agents)
{
    agents->reserved++;
}

void agents_release(struct agents *agents)
{
    agents->reserved--;
}

/* ---- channels ---- */

static bool usable(const struct agent *agent)
{
    return agent->channel != NULL && channel_alive(agent->channel) && agent->running < agent->limit;
}

/* A broken channel goes when its last delivery has seen it. */
static void drop_broken(struct agent *agent)
{
    if (agent->channel == NULL || channel_alive(agent->channel) || agent->running > 0)
        return;
    channel_close(agent->channel);
    agent->channel = NULL;
}

/* The least busy process; else one that is not connected yet; else, NULL. */
static struct agent *choose(struct agents *agents)
{
    struct agent *best = NULL, *unconnected = NULL;

    for (long i = 0; i < agents->count; i++) {
        struct agent *agent = &agents->items[i];

        drop_broken(agent);
        if (usable(agent) && (best == NULL || agent->running < best->running))
            best = agent;
        if (agent->channel == NULL && !agent->connecting && unconnected == NULL)
            unconnected = agent;
    }
    return best != NULL ? best : unconnected;
}

static bool connect_agent(struct agents *agents, struct agent *agent, struct error *error)
{
    struct deadline deadline = deadline_in(agents->manager->mail->ipc_timeout);

    agent->connecting = true;
    agent->channel = channel_connect(agents->path, IPC_PROTOCOL_DELIVERY, deadline, error);
    agent->connecting = false;
    task_condition_wake_all(&agents->changed);
    return agent->channel != NULL;
}

static struct agent *acquire(struct agents *agents, struct error *error)
{
    for (;;) {
        struct agent *agent = choose(agents);

        if (agent != NULL && agent->channel == NULL && !connect_agent(agents, agent, error))
            return NULL;
        if (agent != NULL && usable(agent)) {
            agent->running++;
            return agent;
        }
        if (agent == NULL && task_condition_wait(&agents->changed, deadline_never()) != WAIT_READY) {
            error_set(error, "%s: cancelled", agents->path);
            return NULL;
        }
    }
}

bool agents_deliver(struct agents *agents, const struct delivery_request *request, struct arena *arena,
                    struct delivery_reply *reply, struct error *error)
{
    struct agent *agent = acquire(agents, error);
    struct call *call;
    bool answered;

    if (agent == NULL)
        return false;
    call = call_open(agent->channel);
    answered = ipc_send_last(call, &ipc_delivery_request, request) &&
               ipc_receive(call, &ipc_delivery_reply, reply, arena, deadline_in(agents->manager->mail->daemon_timeout));
    call_close(call);
    agent->running--;
    task_condition_wake_one(&agents->changed);
    return answered || error_set(error, "%s: the delivery agent went away before it answered", agents->path);
}
