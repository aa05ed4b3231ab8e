/* spare - queue files that are used again.
 *
 * Making and removing an inode for each message costs a file system more than all else that it does for the message.
 * So the queue manager moves a small file that has been delivered to spare/, and cleanup writes the next message over
 * it. The rules that keep this safe, whatever the moment of a power cut:
 *
 *   - nobody writes over a spare before its old names, in incoming/ and, when it was there, in active/, are gone for good
 *     (a sync of those directories, one for many): a message that comes back after the cut comes back whole;
 *   - a message written over a spare gets its name in incoming/ only when its content is on disk (queue_commit.h): a
 *     mixture of two messages never has a name that counts.
 *
 * A spare's name is its inode, in hex. Whoever uses one holds its exclusive lock; what lies in spare/ without one
 * may be removed at any time. */
#ifndef MAIL_QUEUE_SPARE_H
#define MAIL_QUEUE_SPARE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mail/queue/queue.h"

#define QUEUE_SPARE "spare"

enum { SPARE_SIZE_LIMIT = 256 * 1024 }; /* larger files are not worth keeping */

struct spare {
    int fd;        /* open for writing, locked */
    ino_t inode;
    int64_t size;  /* of what is in it: to be cut off behind what is written */
    char path[QUEUE_PATH_SIZE];
};

/* The spare's path from its inode. */
const char *spare_path(ino_t inode, char path[QUEUE_PATH_SIZE]);

/* Moves a file that nobody needs any more out of its queue. False: errno; the file is where it was. */
bool spare_retire(const struct queue_layout *layout, const char *queue, const char *id, ino_t inode);

/* Takes a spare for a new message. False: it has gone, is in use, or is not fit. */
bool spare_take(ino_t inode, struct spare *spare);

/* Removes all spares that are not in use, known to this process or not. */
void spare_remove_all(void);

#endif
