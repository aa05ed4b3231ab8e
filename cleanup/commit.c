/* Messages become durable here, those that end at the same time together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup/cleanup.h"
#include "mail/queue/queue_commit.h"
#include "util/base/memory.h"
#include "util/task/offload.h"

enum {
    BATCHES_AT_ONCE = 4, /* where the disk is slow */
    BATCH_LIMIT = 64,
    LARGE_FILE = 256 * 1024, /* nobody else waits for it */
};

/* The larger a batch, the fewer syncs a message costs: while a batch is under way, the next one gathers. But in a batch one file is
 * synced after another. A disk that takes so long for a batch does better with several side by side. */
#define LONG_BATCH (4 * MILLISECONDS)

/* A message that waits for its commit; on its task's stack. */
struct waiter {
    struct link link;
    struct queue_commit commit;
    bool taken, done; /* into a batch; by the disk */
    struct task_condition changed;
};

struct batch {
    struct queue_commit *commits[BATCH_LIMIT];
    struct waiter *waiters[BATCH_LIMIT];
    size_t count;
};

/* The directory of a path, held open. */
static int find_directory(struct cleanup *cleanup, const char *path)
{
    char name[QUEUE_PATH_SIZE];
    int *directory;

    snprintf(name, sizeof name, "%.*s", (int)(strrchr(path, '/') - path), path);
    directory = map_get(cleanup->directories, name);
    if (directory == NULL) {
        int fd = queue_directory_open(path);

        if (fd < 0)
            return -1;
        directory = memory_new(sizeof *directory);
        *directory = fd;
        map_set(cleanup->directories, name, directory);
    }
    return *directory;
}

static void commit_batch(void *argument)
{
    struct batch *batch = argument;

    queue_commit_all(batch->commits, batch->count);
}

static void take_into_batch(struct batch *batch, struct waiter *waiter)
{
    waiter->taken = true;
    batch->waiters[batch->count] = waiter;
    batch->commits[batch->count++] = &waiter->commit;
}

static void run_batch(struct cleanup *cleanup)
{
    struct batch batch = {.count = 0};
    struct link *next;

    while (batch.count < BATCH_LIMIT && (next = list_take_first(&cleanup->commits)) != NULL)
        take_into_batch(&batch, list_entry(next, struct waiter, link));
    cleanup->batches++;
    cleanup->batch_began = clock_monotonic();
    offload_run(commit_batch, &batch);
    cleanup->batches--;
    for (size_t i = 0; i < batch.count; i++) {
        batch.waiters[i]->done = true;
        task_condition_wake_one(&batch.waiters[i]->changed);
    }
    if ((next = list_first(&cleanup->commits)) != NULL) /* somebody has to run the next one */
        task_condition_wake_one(&list_entry(next, struct waiter, link)->changed);
}

/* How long it has to be waited before another batch may begin. */
static duration until_next_batch(const struct cleanup *cleanup)
{
    if (cleanup->batches == 0)
        return 0;
    return cleanup->batches < BATCHES_AT_ONCE ? cleanup->batch_began + LONG_BATCH - clock_monotonic() : INT64_MAX;
}

static void commit_with_others(struct cleanup *cleanup, struct waiter *waiter)
{
    task_condition_init(&waiter->changed);
    list_append(&cleanup->commits, &waiter->link);
    while (!waiter->done) {
        duration wait = waiter->taken ? INT64_MAX : until_next_batch(cleanup);

        if (wait <= 0)
            run_batch(cleanup);
        else if (wait == INT64_MAX || task_cancelled())
            task_condition_wait_on(&waiter->changed);
        else
            task_condition_wait(&waiter->changed, deadline_in(wait));
    }
}

bool commit_file(struct cleanup_message *message)
{
    struct cleanup *cleanup = message->cleanup;
    char path[QUEUE_PATH_SIZE];
    struct waiter waiter = {.commit = {
        .fd = message->fd,
        .length = (off_t)message_writer_length(message->writer),
        .old_length = (off_t)message->spare.size,
        .from = message->reused ? message->spare.path : NULL,
        .path = queue_path(cleanup->layout, message->queue, message->id, path),
    }};
    struct queue_commit *alone = &waiter.commit;

    waiter.commit.directory_fd = find_directory(cleanup, path);
    if (waiter.commit.directory_fd < 0)
        return false;
    if (waiter.commit.length > LARGE_FILE)
        offload_run(commit_batch, &(struct batch){.commits = {alone}, .count = 1});
    else
        commit_with_others(cleanup, &waiter);
    errno = waiter.commit.error;
    return waiter.commit.error == 0;
}

/* ---- afterwards ---- */

static void take_answer(struct cleanup *cleanup, const struct qmgr_taken *answer)
{
    if (answer->full)
        cleanup->pressed = deadline_in(cleanup->mail->in_flow_delay);
    for (size_t i = 0; i < answer->spares.count; i++)
        spares_add(cleanup, strtoull(answer->spares.items[i], NULL, 16));
}

/* The sender has its answer already; this learns how the queue manager keeps up. Mail that it is not told of is found
 * by its next scan. */
void commit_tell_qmgr(struct cleanup_message *message)
{
    struct cleanup *cleanup = message->cleanup;
    struct qmgr_new_message news = {.queue_id = message->id, .spares_wanted = spares_wanted(cleanup)};
    struct qmgr_taken answer;
    struct channel *channel;
    struct call *call;
    struct error error;

    if (!string_equal(message->queue, QUEUE_INCOMING))
        return;
    channel = channel_pool_shared(message->cleanup->qmgr, deadline_in(message->cleanup->mail->trigger_timeout), &error);
    if (channel == NULL) {
        log_debug(1, "%s: queue manager not told: %s", message->id, error.text);
        return;
    }
    call = call_open(channel);
    cleanup->unanswered++;
    if (ipc_send_last(call, &ipc_qmgr_new_message, &news) &&
        ipc_receive(call, &ipc_qmgr_taken, &answer, message->arena, deadline_in(cleanup->mail->ipc_timeout)))
        take_answer(cleanup, &answer);
    cleanup->unanswered--;
    call_close(call);
}

/* Mail comes in faster than it goes out: the queue manager has no room, or falls behind by as many messages as
 * default_process_limit. Each message then waits in_flow_delay before it is begun. */
void commit_keep_flow(struct cleanup *cleanup)
{
    if (!deadline_passed(cleanup->pressed) || cleanup->unanswered > cleanup->mail->default_process_limit)
        task_sleep(cleanup->mail->in_flow_delay);
}
