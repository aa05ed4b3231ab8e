/* spawn - starts a service program with its sockets, as mail/service/protocol.h says. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "mail/config/master_cf.h"
#include "master/listener.h"
#include "util/base/error.h"

struct spawn_request {
    const char *path; /* of the program */
    const struct master_service *service;
    const struct listener_list *listeners;
    long session_limit; /* 0: none */
    bool only_one, stressed;
};

/* The process's number, and the control socket's end for master in *control_fd; -1: see error. */
pid_t spawn_service(const struct spawn_request *request, int *control_fd, struct error *error);

#endif
