/* pickup - what its sources share: one message of the maildrop queue, read and understood. */
#ifndef PICKUP_PICKUP_H
#define PICKUP_PICKUP_H

#include "mail/ipc/ipc.h"
#include "mail/queue/queue.h"
#include "mail/service/service.h"
#include "util/base/arena.h"
#include "util/task/task.h"

struct pickup {
    struct service_environment *environment;
    const struct queue_layout *layout;
    struct submission_pool *cleanup;
    int64_t cleanup_flags;
    bool scanning, again;          /* woken while at work: look once more */
    struct task_semaphore places;  /* messages under way at the same time */
    long under_way;
    struct task_condition all_done;
};

/* A file of the maildrop queue. Text belongs to the arena. */
struct dropped {
    struct arena *arena;
    const char *path;
    int fd;
    uid_t owner;
    off_t content; /* offset of the first record of content */
    struct cleanup_open open;
    struct cleanup_recipient *recipients;
    size_t recipient_count;
};

enum dropped_state {
    DROPPED_GOOD,
    DROPPED_NOT_YET, /* being written, gone, or not ours to read: left alone */
    DROPPED_DAMAGED, /* no message: out of the way with it */
};

/* Opens the file, makes sure that it is one that postdrop made, and reads its envelope; all of its records are
 * checked. With GOOD the caller closes the descriptor. DAMAGED and NOT_YET with a text: error says why. */
enum dropped_state dropped_read(struct pickup *pickup, const char *id, struct dropped *dropped, struct error *error);

/* Has cleanup take it. False: not now (it stays), see error. */
bool dropped_submit(struct pickup *pickup, struct dropped *dropped, struct error *error);

#endif
