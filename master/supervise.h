/* supervise - one service: when its processes start, and what happens when they end.
 *
 * A service's sockets are watched while none of its processes would accept; when one becomes readable, a process
 * is started. It says that it is ready, full, open again (mail/service/protocol.h). At reload a service keeps
 * itself by name and type, and so knows its old processes, which drain. */
#ifndef MASTER_SUPERVISE_H
#define MASTER_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/listener.h"
#include "master/settings.h"
#include "util/base/list.h"
#include "util/task/loop.h"

enum process_state {
    PROCESS_STARTING,
    PROCESS_OPEN,
    PROCESS_FULL,
    PROCESS_DRAINING, /* has been told to finish */
};

struct process {
    struct link link;
    struct supervised *service;
    char *path;
    pid_t pid;
    int control_fd;
    struct loop_watch *control; /* NULL: it has closed its end */
    enum process_state state;
    bool was_ready;
    bool outdated; /* drains when its successor is ready (the log's service) */
    bool wake_when_ready;
    long slot;          /* which share of the service's sessions it has */
    int64_t started_at; /* monotonic */
};

struct supervised {
    struct link link;
    const struct settings *settings;    /* the newest */
    const struct master_service *entry; /* NULL: no longer in master.cf; gone with its last process */
    char *key;                          /* "smtp/inet" */
    char *path;                         /* of the program */
    struct listener_list listeners;
    struct loop_watch **watches; /* one a listener; NULL: not watched */
    struct list processes;
    long process_limit; /* how many may run; LONG_MAX: any number */
    struct loop_timer *throttle, *wakeup;
    bool throttled;
    bool was_used;   /* for wakeups "if used" */
    bool wakeup_due; /* and nobody was there to hear of it */
    long fork_failures; /* in a row */
    int short_lives;    /* processes in a row that ended badly soon after they were ready */
    int64_t stressed_until, warned_at; /* monotonic */
};

struct supervised *supervised_new(const char *key);
/* Takes a new configuration: the listeners become the service's; those of its processes that run will drain. */
void supervised_configure(struct supervised *service, const struct settings *settings,
                          const struct master_service *entry, const char *path, struct listener_list listeners);
/* It is no longer in master.cf. */
void supervised_retire(struct supervised *service);
/* Watches sockets and starts processes from now on. */
void supervised_activate(struct supervised *service);
/* No process of it runs, and none will. */
bool supervised_is_over(const struct supervised *service);
void supervised_free(struct supervised *service);

struct process *supervised_find(struct supervised *service, pid_t pid);
/* A process has ended with this status of waitpid. Frees it. */
void supervised_process_ended(struct process *process, int status);

#endif
