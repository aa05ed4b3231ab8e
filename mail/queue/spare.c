#include "mail/queue/spare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

const char *spare_path(ino_t inode, char path[QUEUE_PATH_SIZE])
{
    snprintf(path, QUEUE_PATH_SIZE, "%s/%llX", QUEUE_SPARE, (unsigned long long)inode);
    return path;
}

bool spare_retire(const struct queue_layout *layout, const char *queue, const char *id, ino_t inode)
{
    char from[QUEUE_PATH_SIZE], to[QUEUE_PATH_SIZE];

    return queue_rename(queue_path(layout, queue, id, from), spare_path(inode, to)) == 0;
}

/* Whoever has the lock of a file that still has its name is alone with it. */
static bool is_ours(const struct spare *spare, struct stat *status)
{
    return flock(spare->fd, LOCK_EX | LOCK_NB) == 0 && fstat(spare->fd, status) == 0 &&
           S_ISREG(status->st_mode) && status->st_nlink == 1;
}

bool spare_take(ino_t inode, struct spare *spare)
{
    struct stat status;

    spare->inode = inode;
    spare->fd = open(spare_path(inode, spare->path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (spare->fd < 0)
        return false;
    if (is_ours(spare, &status) && status.st_ino == inode &&
        ((status.st_mode & 07777) == QUEUE_MODE_READY || fchmod(spare->fd, QUEUE_MODE_READY) == 0)) {
        spare->size = status.st_size;
        return true;
    }
    close(spare->fd);
    return false;
}

static void remove_unused(const char *name)
{
    struct spare spare;
    struct stat status;

    snprintf(spare.path, sizeof spare.path, "%s/%.60s", QUEUE_SPARE, name);
    spare.fd = open(spare.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (spare.fd < 0)
        return;
    if (is_ours(&spare, &status))
        unlink(spare.path);
    close(spare.fd);
}

void spare_remove_all(void)
{
    DIR *directory = opendir(QUEUE_SPARE);
    const struct dirent *entry;

    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.')
            remove_unused(entry->d_name);
    closedir(directory);
}
