#include "master/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <stdio.h>

bool pid_file_take(const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    char line[40];
    int length;

    if (fd < 0)
        return error_set(error, "open lock file %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        error_set(error, "open lock file %s: unable to set exclusive lock: %s", path, strerror(errno));
        close(fd);
        return false;
    }
    length = snprintf(line, sizeof line, "%32ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, line, (size_t)length, 0) != length) {
        error_set(error, "write lock file %s: %s", path, strerror(errno));
        close(fd);
        return false;
    }
    return true; /* fd stays open: it is the lock */
}

bool pid_file_is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool locked;

    if (fd < 0)
        return false;
    locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return locked;
}
