/* queue - queue directories, queue IDs and moving a message between queues.
 *
 * Every path is relative to queue_directory, which is the working directory of every service and queue command. */
#ifndef MAIL_QUEUE_QUEUE_H
#define MAIL_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "mail/config/mail_config.h"
#include "util/base/error.h"

#define QUEUE_MAILDROP "maildrop"
#define QUEUE_HOLD "hold"
#define QUEUE_INCOMING "incoming"
#define QUEUE_ACTIVE "active"
#define QUEUE_DEFERRED "deferred"
#define QUEUE_CORRUPT "corrupt"
#define QUEUE_DEFER "defer"   /* logs of what was deferred, named as the message */
#define QUEUE_BOUNCE "bounce"
#define QUEUE_TRACE "trace"

enum { QUEUE_ID_SIZE = 40, QUEUE_PATH_SIZE = 128 }; /* room for an ID, a path, each with a NUL */

enum {
    QUEUE_MODE_WRITING = 0600,
    QUEUE_MODE_READY = 0700,
    QUEUE_MODE_CORRUPT = 0400,
    QUEUE_BIT_UNTHROTTLE = 0040, /* group read: try even a dead destination */
    QUEUE_BIT_EXPIRE = 0010,     /* group execute: return it now */
};

/* hash_queue_names and hash_queue_depth, parsed once. */
struct queue_layout;
struct queue_layout *queue_layout_new(const struct mail_config *mail);
void queue_layout_free(struct queue_layout *layout);
/* May the queue manager be delivering from here? */
bool queue_is_in_hand(const char *queue);
bool queue_is_hashed(const struct queue_layout *layout, const char *queue); /* its files lie in subdirectories */

bool queue_id_valid(const char *id); /* short or long form, by its letters */
bool queue_id_is_long(const char *id);
/* Short: five hex digits of microseconds, then the inode in hex. Long: see contracts of enable_long_queue_ids. */
void queue_id_make(bool long_form, const struct timespec *when, ino_t inode, char id[QUEUE_ID_SIZE]);
/* Does the ID name this inode? */
bool queue_id_matches(const char *id, ino_t inode);

/* The text whose first characters name an ID's subdirectories: so that long IDs spread as short ones do. */
void queue_id_hash(const char *id, char hash[QUEUE_ID_SIZE]);

/* "deferred/A/AB12..." or "active/AB12..." */
const char *queue_path(const struct queue_layout *layout, const char *queue, const char *id, char path[QUEUE_PATH_SIZE]);

/* Makes a new file queue/ID (mode 0600, O_EXCL, read and write), hashed directory included; *id follows from its
 * inode, *when is the time in it. -1: see error. */
int queue_file_create(const struct queue_layout *layout, const char *queue, bool long_form, char id[QUEUE_ID_SIZE],
                      struct timespec *when, struct error *error);
/* The same under an ID that is known already, and that no message in any queue may have. -1: errno. */
int queue_file_create_named(const struct queue_layout *layout, const char *queue, const char *id);
int queue_file_open(const struct queue_layout *layout, const char *queue, const char *id, int flags); /* -1: errno */

/* rename, making the directories of the new path when they are missing. -1: errno. */
int queue_rename(const char *from, const char *to);
/* The directory that holds (or will hold) path, made when it is missing. -1: errno. */
int queue_directory_open(const char *path);

/* Both by name and ID. Removing is an unlink of queue_path. -1: errno. */
int queue_move(const struct queue_layout *layout, const char *id, const char *from, const char *to);
int queue_remove(const struct queue_layout *layout, const char *queue, const char *id);

/* Which of these queues (NULL ends) holds the ID? Several tries, since a message may move meanwhile. NULL: none. */
const char *queue_find(const struct queue_layout *layout, const char *id, const char *const *queues, struct stat *found);

/* Walks a queue, its subdirectories too, in directory order; file names that are no queue IDs are skipped. A walk
 * holds a descriptor for each level of subdirectories; entries made meanwhile may be missed. */
struct queue_scan;
struct queue_scan *queue_scan_open(const char *queue);
const char *queue_scan_next(struct queue_scan *scan); /* NULL at the end; the name is gone at the next call */
void queue_scan_close(struct queue_scan *scan);

#endif
