/* anvil - counts what SMTP clients do, so that no one of them takes all. */
#include <stdlib.h>

#include "anvil/counts.h"
#include "mail/service/service.h"
#include "util/base/memory.h"
#include "util/task/task.h"

enum { CLIENTS = 200000 }; /* some 30 MB; those beyond are not counted */

struct anvil_config {
#define PARAMETER PARAMETER_MEMBER
#include "anvil/anvil.def"
#undef PARAMETER
};

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct anvil_config, __VA_ARGS__)
#include "anvil/anvil.def"
#undef PARAMETER
};

static const struct parameter_set anvil_parameters = PARAMETER_SET(parameters, struct anvil_config);

struct anvil {
    const struct anvil_config *config;
    struct anvil_counts *counts;
    bool overflowed; /* in this window; the log knows */
};

static bool anvil_start(struct service_environment *environment, struct error *error)
{
    struct anvil *anvil = memory_new(sizeof *anvil);

    (void)error;
    anvil->config = environment->parameters;
    anvil->counts = anvil_counts_new(anvil->config->anvil_rate_time_unit, CLIENTS);
    environment->state = anvil;
    return true;
}

static void run_sweeps(void *argument)
{
    struct anvil *anvil = argument;

    while (task_sleep(anvil->config->anvil_rate_time_unit) == WAIT_READY) {
        anvil_counts_sweep(anvil->counts, clock_monotonic());
        anvil->overflowed = false;
    }
}

static void run_reports(void *argument)
{
    struct anvil *anvil = argument;

    while (task_sleep(anvil->config->anvil_status_update_time) == WAIT_READY)
        anvil_counts_report(anvil->counts);
}

static bool anvil_ready(struct service_environment *environment, struct error *error)
{
    (void)error;
    task_start(run_sweeps, environment->state);
    task_start(run_reports, environment->state);
    return true;
}

/* Old sessions may last for hours: waiting for their end would keep the next anvil, and with it all new sessions, waiting too.
 * It begins to count anew. */
static void anvil_drain(struct service_environment *environment)
{
    anvil_counts_report(((struct anvil *)environment->state)->counts);
    log_flush();
    exit(0);
}

static struct anvil_client *take_client(struct anvil *anvil, const char *ident)
{
    struct anvil_client *client = anvil_connect(anvil->counts, ident, clock_monotonic());

    if (client == NULL && !anvil->overflowed) {
        log_warning(NULL, "more than %d clients within anvil_rate_time_unit: %s and others are not counted", CLIENTS, ident);
        anvil->overflowed = true;
    }
    return client;
}

/* What an event makes of the client's counts. One that only asks changes nothing. */
static struct anvil_answer take_event(struct anvil *anvil, struct anvil_client *client, const struct anvil_event *event)
{
    struct anvil_answer answer = {.connections = anvil_connections(client)};
    enum anvil_kind kind = (enum anvil_kind)event->kind;

    answer.rate = event->only_asks != 0 || kind == ANVIL_CONNECTION
                      ? anvil_rate(anvil->counts, client, kind, clock_monotonic())
                      : anvil_note(anvil->counts, client, kind, clock_monotonic());
    return answer;
}

/* A call lasts as long as its client's connection: when it ends, or whoever made it does, the client has gone. */
static void anvil_call(struct service_environment *environment, struct call *call)
{
    struct anvil *anvil = environment->state;
    struct anvil_client *client = NULL;
    struct arena *arena = arena_new();
    struct anvil_event event;

    while (ipc_receive(call, &ipc_anvil_event, &event, arena, deadline_never())) {
        struct anvil_answer answer = {0};

        if (client == NULL && event.kind == ANVIL_CONNECTION)
            client = take_client(anvil, event.ident);
        if (client != NULL && event.kind >= 0 && event.kind < ANVIL_KINDS)
            answer = take_event(anvil, client, &event);
        if (!ipc_send(call, &ipc_anvil_answer, &answer))
            break;
        arena_clear(arena);
    }
    if (client != NULL)
        anvil_disconnect(anvil->counts, client, clock_monotonic());
    arena_free(arena);
}

static const struct service anvil = {
    .name = "anvil",
    .parameters = &anvil_parameters,
    .sandbox = SANDBOX_READ_ONLY,
    .start = anvil_start,
    .ready = anvil_ready,
    .call = anvil_call,
    .drain = anvil_drain,
    .protocol = IPC_PROTOCOL_ANVIL,
    .keep_running = true, /* the counts are nowhere else */
};

int main(int argc, char **argv)
{
    return service_main(&anvil, argc, argv);
}
