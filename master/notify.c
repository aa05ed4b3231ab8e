#include "master/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/base/log.h"

void notify_manager(const char *address, const char *state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = address != NULL ? strlen(address) : 0;
    int fd;

    if (length < 2 || length >= sizeof name.sun_path || (*address != '/' && *address != '@'))
        return;
    memcpy(name.sun_path, address, length);
    if (*address == '@') /* Linux' abstract names */
        name.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&name,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        log_warning(NULL, "the service manager at %s cannot be told: %s", address, state);
    if (fd >= 0)
        close(fd);
}
