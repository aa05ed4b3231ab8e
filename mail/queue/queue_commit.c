#include "mail/queue/queue_commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "mail/queue/queue.h"

/* Writing starts for all files before the first one is waited for. */
static bool begin(const struct queue_commit *commit)
{
    if (commit->old_length > commit->length && ftruncate(commit->fd, commit->length) != 0)
        return false;
    if (commit->from == NULL && fchmod(commit->fd, QUEUE_MODE_READY) != 0)
        return false;
    sync_file_range(commit->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* fsync tells what goes wrong */
    return true;
}

static bool sync_content(const struct queue_commit *commit)
{
    /* Of a spare nothing has changed but content and length. */
    return (commit->from == NULL ? fsync(commit->fd) : fdatasync(commit->fd)) == 0;
}

static bool give_name(const struct queue_commit *commit)
{
    return commit->from == NULL || queue_rename(commit->from, commit->path) == 0;
}

/* Does it for all that have come so far. */
static void each(struct queue_commit *const *commits, size_t count, bool (*step)(const struct queue_commit *))
{
    for (size_t i = 0; i < count; i++)
        if (commits[i]->error == 0 && !step(commits[i]))
            commits[i]->error = errno;
}

/* Did a file before this one have its directory synced? Its outcome is this one's. */
static bool synced_before(struct queue_commit *const *commits, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (commits[i]->directory_fd == commits[index]->directory_fd && commits[i]->error == 0)
            return true;
    return false;
}

/* Step by step for all: names are given when no content is left to be synced, for some file systems (ext4 without a journal)
 * sync a file's directory with it, and would do so again for each name that has gone from there. */
void queue_commit_all(struct queue_commit *const *commits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        commits[i]->error = 0;
    each(commits, count, begin);
    each(commits, count, sync_content);
    each(commits, count, give_name);
    for (size_t i = 0; i < count; i++)
        if (commits[i]->error == 0 && !synced_before(commits, i) && fsync(commits[i]->directory_fd) != 0)
            commits[i]->error = errno;
}
