#include "master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mail/service/protocol.h"
#include "util/base/log.h"
#include "util/base/memory.h"

/* ---- arguments ---- */

struct argument_list {
    char **items;
    size_t count;
};

static void add(struct argument_list *list, const char *argument)
{
    list->items = memory_resize(list->items, (list->count + 2) * sizeof *list->items);
    list->items[list->count++] = memory_copy_string(argument);
    list->items[list->count] = NULL;
}

static void add_option(struct argument_list *list, const char *option, const char *value)
{
    add(list, option);
    add(list, value);
}

static void add_number(struct argument_list *list, const char *option, long number)
{
    char *value = memory_format("%ld", number);

    add_option(list, option, value);
    free(value);
}

/* A service of the network learns whether it is under stress. */
static bool is_of_the_network(const struct master_service *service)
{
    return service->type == SERVICE_INET || (service->type == SERVICE_PASS && !service->is_private);
}

static char **make_arguments(const struct spawn_request *request)
{
    const struct master_service *service = request->service;
    struct argument_list list = {0};

    add(&list, service->arguments[0]);
    add_option(&list, "-n", service->name);
    add_option(&list, "-t", service_type_name(service->type));
    if (service->unprivileged)
        add(&list, "-u");
    if (service->chroot)
        add(&list, "-c");
    add_number(&list, "-m", request->session_limit);
    add_number(&list, "-k", (long)request->listeners->count);
    if (request->only_one)
        add(&list, "-l");
    if (is_of_the_network(service))
        add_option(&list, "-o", request->stressed ? "stress=yes" : "stress=");
    for (size_t i = 1; service->arguments[i] != NULL; i++)
        add(&list, service->arguments[i]);
    return list.items;
}

static void free_arguments(char **arguments)
{
    for (size_t i = 0; arguments[i] != NULL; i++)
        free(arguments[i]);
    free(arguments);
}

/* ---- descriptors ---- */

/* Puts the control socket at 3 and the listeners behind it; nothing else stays open. All are first moved out of
 * the way, since one's place may be another's number. */
static bool arrange_descriptors(const struct listener_list *listeners, int control_fd)
{
    int count = 1 + (int)listeners->count, above = SERVICE_CONTROL_FD + count;
    int *moved = memory_new((size_t)count * sizeof *moved);
    bool ok = true;

    for (int i = 0; ok && i < count; i++) {
        moved[i] = fcntl(i == 0 ? control_fd : listeners->items[i - 1]->fd, F_DUPFD, above);
        ok = moved[i] >= 0;
    }
    for (int i = 0; ok && i < count; i++)
        ok = dup2(moved[i], SERVICE_CONTROL_FD + i) >= 0;
    free(moved);
    return ok && close_range((unsigned)above, ~0U, 0) == 0;
}

static void become_service(const struct spawn_request *request, int control_fd, char **arguments)
{
    setsid(); /* a signal for master's terminal is master's to act on */
    signal(SIGPIPE, SIG_DFL);
    if (!arrange_descriptors(request->listeners, control_fd))
        die("%s: descriptors: %s", request->path, strerror(errno));
    execv(request->path, arguments);
    die("exec %s: %s", request->path, strerror(errno));
}

pid_t spawn_service(const struct spawn_request *request, int *control_fd, struct error *error)
{
    int ends[2];
    char **arguments;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        error_set(error, "socketpair: %s", strerror(errno));
        return -1;
    }
    arguments = make_arguments(request);
    pid = fork();
    if (pid == 0)
        become_service(request, ends[1], arguments);
    if (pid < 0)
        error_set(error, "fork: %s", strerror(errno));
    free_arguments(arguments);
    close(ends[1]);
    *control_fd = ends[0];
    if (pid < 0)
        close(ends[0]);
    return pid;
}
