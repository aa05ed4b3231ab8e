/* master - all services of an instance: brings a configuration into force, and ends everything.
 *
 * It never reads mail, and runs no task: all of it is callbacks of the loop. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>

#include "master/listener.h"
#include "master/settings.h"
#include "util/base/error.h"
#include "util/base/list.h"
#include "util/task/loop.h"

struct master {
    const char *directory; /* of the configuration, absolute */
    struct settings *settings;
    struct listener_table listeners;
    struct list services;
    bool stopping;
    char *manager; /* $NOTIFY_SOCKET: who wants to know when we run (notify.h); NULL: nobody */
    struct loop_timer *patience; /* until processes that do not end are killed */
};

/* Opens sockets for settings and puts them in force: at start, and again at reload, when the settings of before
 * are freed. False: nothing has changed, and settings are freed. */
bool master_apply(struct master *master, struct settings *settings, struct error *error);
/* Lets services start, after master_apply. */
void master_activate(struct master *master);
/* Reads the configuration anew. A bad one is logged, and the running one stays. */
void master_reload(struct master *master);
/* Collects all processes that have ended. */
void master_reap(struct master *master);
/* Ends all processes; the loop stops when none is left. */
void master_stop(struct master *master);

#endif
