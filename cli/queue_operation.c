#include "cli/queue_operation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mail/queue/queue_sweep.h"
#include "util/base/log.h"
#include "util/base/text.h"

static const char *const all_queues[] = {QUEUE_HOLD, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, NULL};
static const char *const queues_to_delete[] = {QUEUE_HOLD,     QUEUE_INCOMING, QUEUE_ACTIVE,
                                               QUEUE_DEFERRED, QUEUE_MAILDROP, NULL};
static const char *const queues_to_hold[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, NULL};
static const char *const queues_to_release[] = {QUEUE_HOLD, NULL};

enum { FIND_ATTEMPTS = 3 };

/* ---- what is done, in any thread ---- */

/* An operation on many messages. */
struct sweep {
    struct queue_command *command;
    enum queue_operation_kind kind;
    const struct queue_operation_scope *scope;
    struct queue_operation_counts *counts;
};

/* One message. */
struct result {
    struct error failure; /* of matching */
    bool selected;
    struct queue_deed deed; /* nothing in a dry run */
};

static bool is_selected(const struct sweep *sweep, const char *queue, const char *id, struct arena *arena,
                        struct error *failure)
{
    const struct listed_message *message;

    if (queue_selection_is_empty(sweep->scope->selection))
        return true;
    message = queue_lister_read(sweep->scope->lister, queue, id, arena);
    return message != NULL && queue_selection_suits(sweep->scope->selection, message, failure);
}

static const void *sweep_look(const void *context, const char *queue, const char *id, struct arena *arena)
{
    const struct sweep *sweep = context;
    struct result *result = arena_alloc(arena, sizeof *result);

    result->selected = is_selected(sweep, queue, id, arena, &result->failure);
    if (result->selected && !queue_selection_is_dry(sweep->scope->selection))
        result->deed = queue_deed_do(sweep->kind, sweep->command->layout, queue, id);
    return result;
}

/* ---- what is said ---- */

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

static const char *const done_words[OPERATION_KINDS] = {
    [OPERATION_REQUEUE] = "requeued",      [OPERATION_DELETE] = "removed",
    [OPERATION_EXPIRE] = "expired",        [OPERATION_EXPIRE_RELEASE] = "expired",
    [OPERATION_HOLD] = "placed on hold",   [OPERATION_RELEASE] = "released from hold",
};

/* Counts and, for a named message, logs. */
static void note(const char *logged_id, const char *text, size_t *count)
{
    struct log_context context = {logged_id};

    ++*count;
    if (logged_id != NULL)
        log_info(&context, "%s", text);
}

/* For -v: which files were touched. */
static void tell_paths(const struct sweep *sweep, const char *queue, const char *id, const struct queue_deed *deed)
{
    static const char *const targets[OPERATION_KINDS] = {
        [OPERATION_REQUEUE] = QUEUE_MAILDROP,        [OPERATION_HOLD] = QUEUE_HOLD,
        [OPERATION_EXPIRE_RELEASE] = QUEUE_DEFERRED, [OPERATION_RELEASE] = QUEUE_DEFERRED,
    };
    char from[QUEUE_PATH_SIZE], to[QUEUE_PATH_SIZE];

    queue_path(sweep->command->layout, queue, id, from);
    if (sweep->kind == OPERATION_DELETE && deed->done)
        log_debug(1, "removed file %s", from);
    else if (targets[sweep->kind] != NULL && (sweep->kind == OPERATION_EXPIRE_RELEASE ? deed->released : deed->done))
        log_debug(1, "renamed file %s as %s", from, queue_path(sweep->command->layout, targets[sweep->kind], id, to));
}

/* logged_id: the ID if a line is wanted, else NULL. */
static void tell(const struct sweep *sweep, const char *queue, const char *id, const char *logged_id,
                 const struct result *result)
{
    const struct queue_deed *deed = &result->deed;

    if (*result->failure.text != '\0')
        log_warning(NULL, "%s", result->failure.text);
    if (result->selected && queue_selection_is_dry(sweep->scope->selection)) {
        printf("%s/%s\n", queue, id);
        ++*count_of(sweep->kind, sweep->counts);
    }
    sweep->counts->failed += deed->failed != NULL;
    if (deed->failed != NULL)
        log_warning(NULL, "%s file %s/%s: %s", deed->failed, deed->where, id, strerror(deed->reason));
    if (log_verbosity() > 0)
        tell_paths(sweep, queue, id, deed);
    if (deed->done)
        note(logged_id, done_words[sweep->kind], count_of(sweep->kind, sweep->counts));
    if (deed->released)
        note(logged_id, done_words[OPERATION_RELEASE], &sweep->counts->released);
    if (deed->busy != NULL)
        log_warning(NULL, "%s: is being delivered: %s", id, deed->busy);
}

static bool sweep_take(void *context, const char *queue, const char *id, const void *found)
{
    tell(context, queue, id, NULL, found);
    return true;
}

/* ---- where ---- */

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
    switch (kind) {
    case OPERATION_DELETE: return queues_to_delete;
    case OPERATION_HOLD: return queues_to_hold;
    case OPERATION_RELEASE: return queues_to_release;
    default: return all_queues;
    }
}

void queue_operation_one(struct queue_command *command, enum queue_operation_kind kind, const char *id,
                         const struct queue_operation_scope *scope, struct queue_operation_counts *counts)
{
    const char *const *queues = scope->queues != NULL ? scope->queues : usual_queues(kind);
    struct arena *arena;
    bool again = true;

    if (!queue_command_id_plausible(id)) {
        log_warning(NULL, "invalid mail queue id: %s", id);
        return;
    }
    arena = arena_new();
    for (int i = 0; again && i < FIND_ATTEMPTS; i++) {
        const struct sweep sweep = {command, kind, scope, counts};
        struct stat file;
        const char *queue = queue_find(command->layout, id, queues, &file);
        const struct result *result;

        again = queue != NULL && allowed(kind, queue);
        if (!again)
            continue;
        result = sweep_look(&sweep, queue, id, arena);
        tell(&sweep, queue, id, id, result);
        again = result->deed.gone;
    }
    arena_free(arena);
}

/* A queue that is not there is empty. */
static bool is_readable(const char *queue, struct queue_operation_counts *counts)
{
    if (access(queue, R_OK | X_OK) == 0 || errno == ENOENT)
        return true;
    counts->failed++;
    log_warning(NULL, "open directory %s: %s", queue, strerror(errno));
    return false;
}

/* The system renames one file at a time. */
static bool only_renames(const struct queue_operation_scope *scope, enum queue_operation_kind kind)
{
    return queue_selection_is_empty(scope->selection) && (kind == OPERATION_HOLD || kind == OPERATION_RELEASE);
}

void queue_operation_all(struct queue_command *command, enum queue_operation_kind kind,
                         const struct queue_operation_scope *scope, struct queue_operation_counts *counts)
{
    const char *const *queues = scope->queues != NULL ? scope->queues : usual_queues(kind);
    struct sweep context = {command, kind, scope, counts};
    const struct queue_sweep sweep = {sweep_look, sweep_take, &context, only_renames(scope, kind)};

    for (; *queues != NULL; queues++)
        if (allowed(kind, *queues) && is_readable(*queues, counts))
            queue_sweep_run(&sweep, *queues);
}
