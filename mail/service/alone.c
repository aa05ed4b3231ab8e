#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mail/service/internal.h"
#include "util/base/crew.h"
#include "util/task/loop.h"

/* A stream is one connection, which neither a file nor a terminal is: two threads carry between standard input and output
 * and a socket pair. */
struct pump {
    int from, to;
};

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

static void *run_pump(void *argument)
{
    const struct pump *pump = argument;
    char bytes[16 * 1024];
    ssize_t got;

    do
        got = read(pump->from, bytes, sizeof bytes);
    while ((got > 0 && write_all(pump->to, bytes, (size_t)got)) || (got < 0 && errno == EINTR));
    shutdown(pump->to, SHUT_WR); /* of standard output nobody minds */
    return NULL;
}

/* The one session. */
struct lone {
    const struct service *service;
    struct service_session session;
};

static void run_session(void *argument)
{
    struct lone *lone = argument;

    lone->service->session(&lone->session);
    stream_free(lone->session.stream);
    loop_stop();
}

void service_run_alone(const struct service *service, struct service_environment *environment)
{
    struct lone lone = {.service = service, .session.environment = environment};
    struct pump in = {.from = STDIN_FILENO}, out = {.to = STDOUT_FILENO};
    pthread_t in_thread, out_thread;
    struct error error;
    int ends[2];

    if (service->ready != NULL && !service->ready(environment, &error))
        die("%s", error.text);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        die("socketpair: %s", strerror(errno));
    in.to = out.from = ends[1];
    lone.session.stream = stream_new(ends[0]);
    if (!crew_start_thread(&in_thread, run_pump, &in) || !crew_start_thread(&out_thread, run_pump, &out))
        die("no thread can be started");
    task_start(run_session, &lone);
    loop_run();
    pthread_join(out_thread, NULL); /* the other one may wait for input that nobody reads any more */
    exit(0);
}
