/* Maildirs: a file of its own for each message, written in tmp/, then linked into new/. In worker threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "mail/mailbox/internal.h"
#include "util/base/memory.h"

/* All directories that the path names, which ends with a slash. False: errno. */
static bool make_path(const char *path)
{
    char *copy = memory_copy_string(path);
    bool ok = true;

    for (char *slash = strchr(copy + 1, '/'); ok && slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
        *slash = '/';
    }
    free(copy);
    return ok;
}

static bool make_maildir(const char *maildir)
{
    static const char *const parts[] = {"tmp/", "new/", "cur/"};
    bool ok = true;

    for (size_t i = 0; ok && i < sizeof parts / sizeof *parts; i++) {
        char *path = memory_format("%s%s", maildir, parts[i]);

        ok = make_path(path);
        free(path);
    }
    return ok;
}

static int create(const char *maildir, const char *path)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, fd = open(path, flags, 0600);

    return fd < 0 && errno == ENOENT && make_maildir(maildir) ? open(path, flags, 0600) : fd;
}

/* The name that no other message has: device and inode are those of the file. */
static char *final_name(const char *maildir, int fd, const struct timeval *now, const char *host)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return NULL;
    return memory_format("%snew/%lld.V%llxI%llxM%06ld.%s", maildir, (long long)now->tv_sec,
                         (unsigned long long)status.st_dev, (unsigned long long)status.st_ino, (long)now->tv_usec,
                         host);
}

static bool move_to_new(struct mailbox_work *work, const char *from, const char *to)
{
    bool linked = link(from, to) == 0;

    if (!linked && errno == ENOENT)
        linked = make_maildir(work->mailbox->path) && link(from, to) == 0;
    return linked || mailbox_fail(work, errno, "link to %s: %s", to, strerror(errno));
}

static void deliver(struct mailbox_work *work, const char *temporary, const struct timeval *now, const char *host)
{
    int fd = create(work->mailbox->path, temporary);
    char *final;

    if (fd < 0) {
        mailbox_fail(work, errno, "create maildir file %s: %s", temporary, strerror(errno));
        return;
    }
    final = final_name(work->mailbox->path, fd, now, host);
    if (final == NULL)
        mailbox_fail(work, errno, "create maildir file %s: %s", temporary, strerror(errno));
    else if (mailbox_copy(work, fd, 0, false) && move_to_new(work, temporary, final))
        work->status = MAILBOX_DELIVERED;
    if (close(fd) != 0 && work->status == MAILBOX_DELIVERED) {
        unlink(final);
        mailbox_fail(work, errno, "error writing message: %s", strerror(errno));
    }
    unlink(temporary);
    free(final);
}

void mailbox_maildir_work(void *argument)
{
    struct mailbox_work *work = argument;
    struct timeval now;
    char host[256] = "localhost", *temporary;

    gethostname(host, sizeof host - 1);
    gettimeofday(&now, NULL);
    temporary = memory_format("%stmp/%lld.P%ld_%s.%s", work->mailbox->path, (long long)now.tv_sec, (long)getpid(),
                              work->unique, host);
    if (mailbox_take_rights(work)) {
        deliver(work, temporary, &now, host);
        mailbox_give_rights_back();
    }
    free(temporary);
}
