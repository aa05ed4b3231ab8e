/* Mailbox files: locked, appended to, and cut back when that fails. In worker threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mail/mailbox/internal.h"
#include "util/base/memory.h"

/* ---- the lock file beside the mailbox ---- */

static bool is_stale(const char *lock, duration stale_lock_time)
{
    struct stat status;

    return lstat(lock, &status) == 0 && time(NULL) - status.st_mtime > stale_lock_time / SECONDS;
}

static bool lock_beside(struct mailbox_work *work, const char *lock)
{
    int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int failure = errno; /* whoever had the lock may be gone by the time it is looked at */

    if (fd < 0 && failure == EEXIST && is_stale(lock, work->stale_lock_time) && unlink(lock) == 0) {
        fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        failure = errno;
    }
    if (fd < 0) {
        mailbox_fail(work, failure, "unable to create lock file %s: %s", lock, strerror(failure));
        work->status = work->error == EEXIST ? MAILBOX_BUSY : MAILBOX_FAILED;
        return false;
    }
    close(fd);
    return true;
}

/* ---- the mailbox itself ---- */

static bool check_file(struct mailbox_work *work, const struct stat *status)
{
    const struct mailbox *mailbox = work->mailbox;

    if (!S_ISREG(status->st_mode))
        return mailbox_fail(work, 0, "file is not a regular file");
    if (status->st_nlink != 1)
        return mailbox_fail(work, 0, "file has %ld hard links", (long)status->st_nlink);
    if (mailbox->strict_ownership && status->st_uid != (geteuid() == 0 ? mailbox->uid : geteuid())) {
        work->not_owner = true;
        return mailbox_fail(work, 0, "destination %s is not owned by recipient", mailbox->path);
    }
    return true;
}

static bool lock_file(struct mailbox_work *work, int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int locks = work->mailbox->locks;

    if (((locks & MAILBOX_LOCK_FCNTL) != 0 && fcntl(fd, F_SETLK, &whole) != 0) ||
        ((locks & MAILBOX_LOCK_FLOCK) != 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)) {
        mailbox_fail(work, errno, "unable to lock for exclusive access: %s", strerror(errno));
        work->status = work->error == EAGAIN || work->error == EACCES ? MAILBOX_BUSY : MAILBOX_FAILED;
        return false;
    }
    return true;
}

static bool append(struct mailbox_work *work, int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return mailbox_fail(work, errno, "cannot open file: %s", strerror(errno));
    if (!check_file(work, &status) || !lock_file(work, fd) || fstat(fd, &status) != 0)
        return false;
    if (mailbox_copy(work, fd, status.st_size, true))
        return true;
    if (ftruncate(fd, status.st_size) != 0)
        error_prefix(&work->reason, "(cannot be cut back: %s) ", strerror(errno));
    return false;
}

static void open_and_append(struct mailbox_work *work)
{
    int fd = open(work->mailbox->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0) {
        if (errno == ELOOP)
            mailbox_fail(work, 0, "file is a symbolic link");
        else
            mailbox_fail(work, errno, "cannot open file: %s", strerror(errno));
        return;
    }
    if (append(work, fd))
        work->status = MAILBOX_DELIVERED;
    if (close(fd) != 0 && work->status == MAILBOX_DELIVERED)
        mailbox_fail(work, errno, "error writing message: %s", strerror(errno));
}

void mailbox_file_work(void *argument)
{
    struct mailbox_work *work = argument;
    char *lock = memory_format("%s.lock", work->mailbox->path);

    if (mailbox_take_rights(work)) {
        if ((work->mailbox->locks & MAILBOX_LOCK_DOTLOCK) == 0) {
            open_and_append(work);
        } else if (lock_beside(work, lock)) {
            open_and_append(work);
            unlink(lock);
        }
        mailbox_give_rights_back();
    }
    free(lock);
}
