/* queue_commit - makes complete queue files durable, many side by side.
 *
 * A new file has its name in the queue already, and becomes ready (QUEUE_MODE_READY) here. A file that was written over
 * a spare is ready by its mode and gets its name here, when its content is on disk (spare.h says why). Either
 * way the name is durable too when this returns. */
#ifndef MAIL_QUEUE_QUEUE_COMMIT_H
#define MAIL_QUEUE_QUEUE_COMMIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct queue_commit {
    int fd;
    off_t length;     /* the file's; what was in it before is cut off behind that */
    off_t old_length; /* 0: it is a new file */
    const char *from; /* path of the spare; NULL: it has its name */
    const char *path; /* in the queue */
    int directory_fd; /* of the directory of path */
    int error;        /* out: errno, 0: done */
};

/* Blocks: for offload. Directories are synced once for all their files. */
void queue_commit_all(struct queue_commit *const *commits, size_t count);

#endif
