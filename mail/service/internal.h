/* What the sources of mail/service share. */
#ifndef MAIL_SERVICE_INTERNAL_H
#define MAIL_SERVICE_INTERNAL_H

#include "mail/service/service.h"

/* What master said on the command line (protocol.h). */
struct service_arguments {
    const char *name;
    const char *type;
    bool unprivileged, chroot, only_one, alone;
    long session_limit;
    int socket_count;
};

/* Reads the arguments and the configuration with its -o overrides. Exits with a message when that fails. */
struct config *service_read_arguments(const struct service *service, int argc, char **argv,
                                      struct service_arguments *arguments);

/* Runs the service's session on standard input and output, then ends the process. The loop has been started. */
void service_run_alone(const struct service *service, struct service_environment *environment);

/* Becomes mail_owner and enters the queue directory as its root, as the arguments say. */
bool service_drop_privileges(const struct service_arguments *arguments, const struct mail_config *mail,
                             struct error *error);
bool service_enter_sandbox(enum service_sandbox sandbox, struct error *error);

#endif
