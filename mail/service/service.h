/* service - the skeleton behind every service's main().
 *
 * service_main reads arguments and configuration, opens the log, calls start while still privileged, drops
 * privileges (user, root directory, no new ones), calls ready, tells master, and then runs the loop: each
 * connection to the service's sockets becomes a task running session (or, for services that speak channels, each
 * call becomes a task running call). It counts sessions, obeys max_use and max_idle, drains on reload, and ends
 * when master does. A session that fails ends alone.
 *
 *     static const struct service smtpd = {
 *         .name = "smtpd", .parameters = &smtpd_parameters, .config = &config, .config_size...
 */
#ifndef MAIL_SERVICE_SERVICE_H
#define MAIL_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "mail/config/mail_config.h"
#include "util/base/error.h"
#include "util/base/log.h"
#include "util/task/channel.h"
#include "util/task/stream.h"

/* What a service process knows about itself; lives as long as the process. */
struct service_environment {
    const struct config *config;
    const struct mail_config *mail;
    const char *service_name; /* master.cf's first column: "smtp", "submission", "relay" */
    long session_limit;       /* how many this process may hold at once */
    bool chrooted;            /* paths below queue_directory are then relative to "/" */
    bool stand_alone;         /* no master: speaks on standard input and output */
    void *parameters;         /* the service's own config struct, filled */
    void *state;              /* the service's own, set by start */
    int queue_fd;             /* queue_directory, open before the chroot; every path in the queue starts here */
};

struct service_session {
    struct service_environment *environment;
    struct stream *stream; /* the connection; the skeleton closes it */
    struct sockaddr_storage peer;
    struct sockaddr_storage local; /* both AF_UNSPEC when the service is not inet */
    struct log_context log;
};

struct service {
    const char *name;                       /* as the program is called */
    const struct parameter_set *parameters; /* NULL: none of its own */

    bool (*start)(struct service_environment *environment, struct error *error); /* privileged: keys, tables */
    bool (*ready)(struct service_environment *environment, struct error *error); /* privileges dropped; in a task */

    /* Exactly one of these says what a connection is. */
    void (*session)(struct service_session *session);                           /* one task a connection */
    void (*call)(struct service_environment *environment, struct call *call);   /* a channel; one task a call */
    void (*trigger)(struct service_environment *environment, const char *bytes, size_t length); /* one-byte wakes */
    void (*datagram)(struct service_environment *environment, const char *bytes, size_t length);

    /* A call service that also takes triggers (qmgr) sets both call and trigger; the first byte tells them apart. */

    const char *protocol; /* for call services: the channel protocol's name */
    void (*drain)(struct service_environment *environment); /* told to finish; may be NULL */
    bool (*busy)(struct service_environment *environment);  /* still has work when no session is left; may be NULL */
    bool one_channel;  /* delivery agents: a process serves one channel (the queue manager's) at a time */
    bool privileged;   /* stays root when there is one (local, virtual): master.cf's unprivileged column is `n` */
    bool keep_running; /* never ends for max_idle or max_use (qmgr) */
};

int service_main(const struct service *service, int argc, char **argv);

/* Ends the process in an orderly way once its sessions are done, as after max_use. */
void service_finish(struct service_environment *environment);

/* The path of another service's socket: "public/cleanup", seen from this process. */
const char *service_socket_path(const struct service_environment *environment, const char *class_and_name,
                                char *buffer, size_t size);

#endif
