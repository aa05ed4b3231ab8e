#include "cli/queue_operation.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/text.h"

static const char *const all_queues[] = {QUEUE_HOLD, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, NULL};
static const char *const queues_to_hold[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, NULL};
static const char *const queues_to_release[] = {QUEUE_HOLD, NULL};

static void complain(const char *what, const char *queue, const char *id)
{
    if (errno != ENOENT) /* it went its way meanwhile */
        log_warning(NULL, "%s file %s/%s: %s", what, queue, id, strerror(errno));
}

static void remove_logs(struct queue_command *command, const char *id)
{
    static const char *const logs[] = {QUEUE_BOUNCE, QUEUE_DEFER, QUEUE_TRACE};

    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        if (queue_remove(command->layout, logs[i], id) < 0 && errno != ENOENT)
            complain("remove", logs[i], id);
}

static bool operate_delete(struct queue_command *command, const char *queue, const char *id)
{
    remove_logs(command, id);
    if (queue_remove(command->layout, queue, id) == 0)
        return true;
    complain("remove", queue, id);
    return false;
}

static bool move(struct queue_command *command, const char *from, const char *to, const char *id)
{
    if (string_equal(from, to))
        return false;
    if (queue_move(command->layout, id, from, to) == 0)
        return true;
    complain("move", from, id);
    return false;
}

/* The message comes back under another ID: what was logged about this one is of no use. */
static bool requeue(struct queue_command *command, const char *queue, const char *id)
{
    if (!move(command, queue, QUEUE_MAILDROP, id))
        return false;
    remove_logs(command, id);
    return true;
}

static bool expire(struct queue_command *command, const char *queue, const char *id)
{
    char path[QUEUE_PATH_SIZE];
    struct stat file;

    queue_path(command->layout, queue, id, path);
    if (lstat(path, &file) < 0 || !S_ISREG(file.st_mode) || (file.st_mode & QUEUE_BIT_EXPIRE) != 0)
        return false;
    if (chmod(path, (file.st_mode & 07777) | QUEUE_BIT_EXPIRE) == 0)
        return true;
    complain("change", queue, id);
    return false;
}

/* Counts and, for a named message, logs. */
static void note(bool done, const char *id, const char *text, size_t *count)
{
    struct log_context context = {id};

    if (!done)
        return;
    ++*count;
    if (id != NULL)
        log_info(&context, "%s", text);
}

/* logged_id: the ID if a line is wanted, else NULL. */
static void operate(struct queue_command *command, enum queue_operation_kind kind, const char *queue, const char *id,
                    const char *logged_id, struct queue_operation_counts *counts)
{
    switch (kind) {
    case OPERATION_REQUEUE:
        note(requeue(command, queue, id), logged_id, "requeued", &counts->requeued);
        break;
    case OPERATION_DELETE:
        note(operate_delete(command, queue, id), logged_id, "removed", &counts->deleted);
        break;
    case OPERATION_EXPIRE:
        note(expire(command, queue, id), logged_id, "expired", &counts->expired);
        break;
    case OPERATION_EXPIRE_RELEASE:
        note(expire(command, queue, id), logged_id, "expired", &counts->expired);
        if (string_equal(queue, QUEUE_HOLD))
            note(move(command, queue, QUEUE_DEFERRED, id), logged_id, "released from hold", &counts->released);
        break;
    case OPERATION_HOLD:
        note(move(command, queue, QUEUE_HOLD, id), logged_id, "placed on hold", &counts->held);
        break;
    case OPERATION_RELEASE:
        note(move(command, queue, QUEUE_DEFERRED, id), logged_id, "released from hold", &counts->released);
        break;
    case OPERATION_KINDS: break;
    }
}

/* Mail in maildrop has not been looked at yet: it can be deleted only. */
static bool allowed(enum queue_operation_kind kind, const char *queue)
{
    if (string_equal(queue, QUEUE_MAILDROP))
        return kind == OPERATION_DELETE;
    if (string_equal(queue, QUEUE_HOLD))
        return kind != OPERATION_HOLD;
    for (const char *const *known = queues_to_hold; *known != NULL; known++)
        if (string_equal(queue, *known))
            return kind != OPERATION_RELEASE;
    return false;
}

static const char *const *usual_queues(enum queue_operation_kind kind)
{
    return kind == OPERATION_HOLD ? queues_to_hold : kind == OPERATION_RELEASE ? queues_to_release : all_queues;
}

void queue_operation_one(struct queue_command *command, enum queue_operation_kind kind, const char *id,
                         const char *const *queues, struct queue_operation_counts *counts)
{
    struct stat file;
    const char *queue;

    if (!queue_command_id_plausible(id)) {
        log_warning(NULL, "invalid mail queue id: %s", id);
        return;
    }
    queue = queue_find(command->layout, id, queues != NULL ? queues : usual_queues(kind), &file);
    if (queue != NULL && allowed(kind, queue))
        operate(command, kind, queue, id, id, counts);
}

void queue_operation_all(struct queue_command *command, enum queue_operation_kind kind, const char *const *queues,
                         struct queue_operation_counts *counts)
{
    if (queues == NULL)
        queues = usual_queues(kind);
    for (; *queues != NULL; queues++) {
        struct queue_scan *scan = allowed(kind, *queues) ? queue_scan_open(*queues) : NULL;
        const char *id;

        while (scan != NULL && (id = queue_scan_next(scan)) != NULL)
            operate(command, kind, *queues, id, NULL, counts);
        queue_scan_close(scan);
    }
}
