#include "cli/queue_operation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/text.h"

static const char *const all_queues[] = {QUEUE_HOLD, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, NULL};
static const char *const queues_to_hold[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, NULL};
static const char *const queues_to_release[] = {QUEUE_HOLD, NULL};

enum { FIND_ATTEMPTS = 3 };

/* What became of one attempt on one file. */
enum outcome {
    OUTCOME_DONE,
    OUTCOME_NOTHING, /* there was nothing to do, or it was not possible */
    OUTCOME_GONE,    /* the file went its way meanwhile */
};

static enum outcome complain(const char *what, const char *queue, const char *id)
{
    if (errno == ENOENT)
        return OUTCOME_GONE;
    log_warning(NULL, "%s file %s/%s: %s", what, queue, id, strerror(errno));
    return OUTCOME_NOTHING;
}

/* ---- beside a running queue manager ---- */

/* Delivery agents hold a shared lock on the file of each message they deliver, and look whether the file is still
 * in its place when they have got it. As long as we hold the file, none begins. */
struct hold_on_file {
    int fd;    /* -1: it cannot be opened */
    bool busy; /* it is being delivered */
};

static struct hold_on_file grasp(const struct queue_command *command, const char *queue, const char *id)
{
    struct hold_on_file hold = {.fd = queue_file_open(command->layout, queue, id, O_RDONLY | O_NONBLOCK)};

    hold.busy = hold.fd >= 0 && flock(hold.fd, LOCK_EX | LOCK_NB) != 0;
    return hold;
}

static void let_go(struct hold_on_file hold)
{
    if (hold.fd >= 0)
        close(hold.fd);
}

static void say_busy(const char *id, const char *consequence)
{
    log_warning(NULL, "%s: is being delivered: %s", id, consequence);
}

/* ---- one operation ---- */

static void remove_logs(struct queue_command *command, const char *id)
{
    static const char *const logs[] = {QUEUE_BOUNCE, QUEUE_DEFER, QUEUE_TRACE};

    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        if (queue_remove(command->layout, logs[i], id) < 0 && errno != ENOENT)
            complain("remove", logs[i], id);
}

static enum outcome operate_delete(struct queue_command *command, const char *queue, const char *id)
{
    struct hold_on_file hold = grasp(command, queue, id);
    enum outcome outcome = OUTCOME_DONE;

    if (queue_remove(command->layout, queue, id) != 0)
        outcome = complain("remove", queue, id);
    else
        remove_logs(command, id);
    if (outcome == OUTCOME_DONE && hold.busy)
        say_busy(id, "what is under way may still arrive");
    let_go(hold);
    return outcome;
}

static enum outcome move(struct queue_command *command, const char *from, const char *to, const char *id)
{
    if (string_equal(from, to))
        return OUTCOME_NOTHING;
    return queue_move(command->layout, id, from, to) == 0 ? OUTCOME_DONE : complain("move", from, id);
}

static enum outcome operate_hold(struct queue_command *command, const char *queue, const char *id)
{
    struct hold_on_file hold = grasp(command, queue, id);
    enum outcome outcome = move(command, queue, QUEUE_HOLD, id);

    if (outcome == OUTCOME_DONE && hold.busy)
        say_busy(id, "what is under way is not stopped");
    let_go(hold);
    return outcome;
}

/* A failure has been noted that the sender was not told of yet. */
static bool has_bounces(const struct queue_command *command, const char *id)
{
    char path[QUEUE_PATH_SIZE];

    return access(queue_path(command->layout, QUEUE_BOUNCE, id, path), F_OK) == 0;
}

/* The message comes back under another ID: what was logged about this one is of no use. A recipient that is just
 * being served would get it twice. */
static enum outcome requeue(struct queue_command *command, const char *queue, const char *id)
{
    struct hold_on_file hold = grasp(command, queue, id);
    enum outcome outcome = OUTCOME_NOTHING;

    if (hold.busy || (string_equal(queue, QUEUE_ACTIVE) && has_bounces(command, id)))
        say_busy(id, "not requeued");
    else
        outcome = move(command, queue, QUEUE_MAILDROP, id);
    if (outcome == OUTCOME_DONE)
        remove_logs(command, id);
    let_go(hold);
    return outcome;
}

static enum outcome expire(struct queue_command *command, const char *queue, const char *id)
{
    char path[QUEUE_PATH_SIZE];
    struct stat file;

    queue_path(command->layout, queue, id, path);
    if (lstat(path, &file) < 0)
        return complain("change", queue, id);
    if (!S_ISREG(file.st_mode) || (file.st_mode & QUEUE_BIT_EXPIRE) != 0)
        return OUTCOME_NOTHING;
    return chmod(path, (file.st_mode & 07777) | QUEUE_BIT_EXPIRE) == 0 ? OUTCOME_DONE : complain("change", queue, id);
}

/* Counts and, for a named message, logs. */
static enum outcome note(enum outcome outcome, const char *id, const char *text, size_t *count)
{
    struct log_context context = {id};

    if (outcome == OUTCOME_DONE)
        ++*count;
    if (outcome == OUTCOME_DONE && id != NULL)
        log_info(&context, "%s", text);
    return outcome;
}

static enum outcome expire_and_release(struct queue_command *command, const char *queue, const char *id,
                                       const char *logged_id, struct queue_operation_counts *counts)
{
    enum outcome outcome = note(expire(command, queue, id), logged_id, "expired", &counts->expired);

    if (outcome == OUTCOME_GONE || !string_equal(queue, QUEUE_HOLD))
        return outcome;
    return note(move(command, queue, QUEUE_DEFERRED, id), logged_id, "released from hold", &counts->released);
}

/* Where the operation counts what it has done. */
static size_t *count_of(enum queue_operation_kind kind, struct queue_operation_counts *counts)
{
    switch (kind) {
    case OPERATION_REQUEUE: return &counts->requeued;
    case OPERATION_DELETE: return &counts->deleted;
    case OPERATION_HOLD: return &counts->held;
    case OPERATION_RELEASE: return &counts->released;
    default: return &counts->expired;
    }
}

/* A message that would be worked on, but is only shown. */
static enum outcome show(enum queue_operation_kind kind, const char *queue, const char *id,
                         struct queue_operation_counts *counts)
{
    printf("%s/%s\n", queue, id);
    ++*count_of(kind, counts);
    return OUTCOME_DONE;
}

/* logged_id: the ID if a line is wanted, else NULL. */
static enum outcome operate(struct queue_command *command, enum queue_operation_kind kind, const char *queue,
                            const char *id, const char *logged_id, struct queue_operation_counts *counts)
{
    switch (kind) {
    case OPERATION_REQUEUE:
        return note(requeue(command, queue, id), logged_id, "requeued", &counts->requeued);
    case OPERATION_DELETE:
        return note(operate_delete(command, queue, id), logged_id, "removed", &counts->deleted);
    case OPERATION_EXPIRE:
        return note(expire(command, queue, id), logged_id, "expired", &counts->expired);
    case OPERATION_EXPIRE_RELEASE:
        return expire_and_release(command, queue, id, logged_id, counts);
    case OPERATION_HOLD:
        return note(operate_hold(command, queue, id), logged_id, "placed on hold", &counts->held);
    case OPERATION_RELEASE:
        return note(move(command, queue, QUEUE_DEFERRED, id), logged_id, "released from hold", &counts->released);
    case OPERATION_KINDS: break;
    }
    return OUTCOME_NOTHING;
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

/* The operation, if the message is selected. */
static enum outcome consider(struct queue_command *command, enum queue_operation_kind kind, const char *queue,
                             const char *id, const char *logged_id, const struct queue_operation_scope *scope,
                             struct queue_operation_counts *counts)
{
    if (!queue_selection_has(scope->selection, command->layout, queue, id))
        return OUTCOME_NOTHING;
    if (queue_selection_is_dry(scope->selection))
        return show(kind, queue, id, counts);
    return operate(command, kind, queue, id, logged_id, counts);
}

void queue_operation_one(struct queue_command *command, enum queue_operation_kind kind, const char *id,
                         const struct queue_operation_scope *scope, struct queue_operation_counts *counts)
{
    const char *const *queues = scope->queues != NULL ? scope->queues : usual_queues(kind);
    struct stat file;
    const char *queue;

    if (!queue_command_id_plausible(id)) {
        log_warning(NULL, "invalid mail queue id: %s", id);
        return;
    }
    for (int i = 0; i < FIND_ATTEMPTS; i++) {
        queue = queue_find(command->layout, id, queues, &file);
        if (queue == NULL || !allowed(kind, queue) ||
            consider(command, kind, queue, id, id, scope, counts) != OUTCOME_GONE)
            return;
    }
}

void queue_operation_all(struct queue_command *command, enum queue_operation_kind kind,
                         const struct queue_operation_scope *scope, struct queue_operation_counts *counts)
{
    const char *const *queues = scope->queues != NULL ? scope->queues : usual_queues(kind);

    for (; *queues != NULL; queues++) {
        struct queue_scan *scan = allowed(kind, *queues) ? queue_scan_open(*queues) : NULL;
        const char *id;

        while (scan != NULL && (id = queue_scan_next(scan)) != NULL)
            consider(command, kind, *queues, id, NULL, scope, counts);
        queue_scan_close(scan);
    }
}
