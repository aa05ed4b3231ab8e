/* qmgr - the queue manager: decides what is delivered when. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/match_list.h"
#include "mail/config/master_cf.h"
#include "qmgr/linger.h"
#include "qmgr/qmgr.h"
#include "qmgr/request.h"
#include "qmgr/scan.h"
#include "qmgr/spares.h"
#include "qmgr/suspension.h"
#include "qmgr/transport.h"
#include "util/base/memory.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct qmgr_config, __VA_ARGS__)
#include "qmgr/qmgr.def"
#undef PARAMETER
};

static const struct parameter_set qmgr_parameters = PARAMETER_SET(parameters, struct qmgr_config);

/* ---- requests ---- */

/* Contracts of the trigger letters: qmgr(8). */
static void qmgr_trigger(struct service_environment *environment, const char *requests, size_t count)
{
    struct manager *manager = environment->state;
    bool all = memchr(requests, 'A', count) != NULL;

    for (size_t i = 0; i < count; i++) {
        switch (requests[i]) {
        case 'F': transports_revive(manager); break;
        case 'D': scan_request(manager->deferred, all); break;
        case 'I':
        case 'W': scan_request(manager->incoming, false); break;
        default: break;
        }
    }
}

/* ---- start ---- */

static bool qmgr_start(struct service_environment *environment, struct error *error)
{
    struct manager *manager = memory_new(sizeof *manager);
    const struct config *config = environment->config;

    environment->state = manager;
    manager->environment = environment;
    manager->mail = environment->mail;
    manager->config = environment->parameters;
    manager->layout = environment->layout;
    manager->transports = map_new();
    manager->messages = map_new();
    task_condition_init(&manager->room);
    manager->suspensions = suspensions_new(manager);
    manager->master_cf = master_cf_load(config, error);
    manager->defer_transports = match_list_new(manager->config->defer_transports, 0, error);
    if (manager->master_cf == NULL || manager->defer_transports == NULL)
        return false;
    manager->resolve = resolve_client_new(manager->mail, resolve_depends_on_sender(config));
    return true;
}

/* What was being delivered when a queue manager ended is new mail to the next one. */
static void recover_active(struct manager *manager)
{
    struct queue_scan *names = queue_scan_open(QUEUE_ACTIVE);
    const char *id;

    if (names == NULL)
        return;
    while ((id = queue_scan_next(names)) != NULL)
        if (queue_move(manager->layout, id, QUEUE_ACTIVE, QUEUE_INCOMING) != 0)
            log_warning(NULL, "%s: cannot move from active to incoming: %s", id, strerror(errno));
    queue_scan_close(names);
}

static void run_periodically(void *argument)
{
    struct manager *manager = argument;

    do {
        scan_request(manager->incoming, false);
        scan_request(manager->deferred, false);
        transports_forget_idle(manager);
    } while (task_sleep(manager->mail->queue_run_delay) == WAIT_READY);
}

static bool qmgr_ready(struct service_environment *environment, struct error *error)
{
    struct manager *manager = environment->state;

    (void)error;
    suspensions_start(manager->suspensions);
    manager->spares = spares_new(manager);
    linger_start(manager);
    recover_active(manager);
    manager->incoming = scan_new(manager, QUEUE_INCOMING, false);
    manager->deferred = scan_new(manager, QUEUE_DEFERRED, true);
    task_start(run_periodically, manager);
    return true;
}

/* The files know everything: the next queue manager begins with them. Deliveries that are under way go on in their
 * agents, which hold locks. */
static void qmgr_drain(struct service_environment *environment)
{
    (void)environment;
    exit(0);
}

static const struct service qmgr = {
    .name = "qmgr",
    .parameters = &qmgr_parameters,
    .start = qmgr_start,
    .ready = qmgr_ready,
    .call = request_serve,
    .trigger = qmgr_trigger,
    .protocol = IPC_PROTOCOL_QMGR,
    .drain = qmgr_drain,
    .keep_running = true,
};

int main(int argc, char **argv)
{
    return service_main(&qmgr, argc, argv);
}
