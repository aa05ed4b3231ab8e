/* Connecting, with a deadline. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/task/stream.h"

static int await_connection(int fd, struct deadline deadline)
{
    int error = 0;
    socklen_t size = sizeof error;

    switch (task_wait_writable(fd, deadline)) {
    case WAIT_TIMEOUT: return ETIMEDOUT;
    case WAIT_CANCELLED: return ECANCELED;
    case WAIT_READY: break;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 ? errno : error;
}

int stream_connect(const struct sockaddr *address, unsigned length, const struct sockaddr *bind_to,
                   unsigned bind_length, struct deadline deadline)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (fd < 0)
        return -1;
    if (bind_to != NULL && bind(fd, bind_to, bind_length) != 0)
        error = errno;
    else if (connect(fd, address, length) != 0)
        error = errno == EINPROGRESS ? await_connection(fd, deadline) : errno;
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

int stream_connect_unix(const char *path, struct deadline deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    /* A full backlog says EAGAIN at once: the service is busy, so come back. */
    for (duration pause = 2 * MILLISECONDS;; pause = pause < 100 * MILLISECONDS ? pause * 2 : pause) {
        int fd = stream_connect((struct sockaddr *)&address, sizeof address, NULL, 0, deadline);

        if (fd >= 0 || errno != EAGAIN)
            return fd;
        if (deadline_passed(deadline)) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (task_sleep(pause) == WAIT_CANCELLED) {
            errno = ECANCELED;
            return -1;
        }
    }
}
