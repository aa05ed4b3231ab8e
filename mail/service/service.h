/* service - the skeleton behind every service's main().
 *
 * service_main reads arguments and configuration, opens the log, calls start while still privileged, drops
 * privileges (user, root directory, no new ones, sandbox), calls ready, tells master, and then runs the loop:
 * each connection to the service's sockets becomes a task running session, or, for services that speak channels,
 * each call becomes a task running call. It counts sessions, obeys max_use and max_idle, drains on reload, and
 * ends when master does. A session that fails ends alone. Run by hand, a service that can has one session, no sandbox
 * (what it hands mail to is set-gid), and no master.
 *
 * The working directory is queue_directory, chrooted or not: "private/rewrite" is the rewrite service's socket,
 * "active/3F2A..." a queue file. */
#ifndef MAIL_SERVICE_SERVICE_H
#define MAIL_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "mail/config/mail_config.h"
#include "mail/queue/queue.h"
#include "util/base/error.h"
#include "util/base/log.h"
#include "util/task/channel.h"
#include "util/task/stream.h"

/* What a service process knows about itself; lives as long as the process. */
struct service_environment {
    const struct config *config;
    const struct mail_config *mail;
    const struct queue_layout *layout; /* of the queue */
    const char *program;      /* the name it was started as: "smtp", "lmtp" */
    const char *service_name; /* master.cf's first column: "smtp", "submission", "relay" */
    long session_limit;       /* how many this process may hold at once; LONG_MAX: any number */
    const void *parameters;   /* the service's own config struct, filled */
    void *state;              /* the service's own, set by start or ready */
    int queue_fd;             /* queue_directory, open: every path in the queue may start here */
    bool chrooted;            /* or will be, after start: no other library can be loaded then */
    bool alone;               /* there is no master; whoever started it has the rights, and the one session */
};

struct service_session {
    struct service_environment *environment;
    struct stream *stream;         /* the connection; the skeleton closes it */
    struct sockaddr_storage peer;  /* both AF_UNSPEC when the service is not inet */
    struct sockaddr_storage local;
};

enum service_sandbox {
    SANDBOX_NONE,
    SANDBOX_READ_ONLY, /* after ready: writes, creates, removes and executes no file (landlock, where there is one) */
};

struct service {
    const char *name;                       /* as the program is called */
    const struct parameter_set *parameters; /* NULL: none of its own */
    enum service_sandbox sandbox;

    bool (*start)(struct service_environment *environment, struct error *error); /* privileged: keys, tables */
    bool (*ready)(struct service_environment *environment, struct error *error); /* privileges dropped; in a task */

    /* What a connection is. A service with call may also have trigger: the first byte tells them apart. */
    void (*session)(struct service_session *session);                       /* one task a connection */
    void (*call)(struct service_environment *environment, struct call *call); /* a channel; one task a call */
    void (*trigger)(struct service_environment *environment, const char *requests, size_t count);
    void (*datagrams)(struct service_environment *environment, const struct iovec *messages, size_t count);
    const char *protocol; /* the channel protocol's name, with call */

    void (*drain)(struct service_environment *environment);      /* told to finish what runs; may be NULL */
    bool (*busy)(struct service_environment *environment);       /* still at work without sessions; may be NULL */
    bool one_channel;  /* delivery agents: a process takes one channel (the queue manager's) at a time */
    bool keep_running; /* never ends for max_idle or max_use */
    bool serves_alone; /* can also be run by hand: one session on standard input and output */
};

int service_main(const struct service *service, int argc, char **argv);

/* A service that said it was busy is not any more. */
void service_no_longer_busy(struct service_environment *environment);

#endif
