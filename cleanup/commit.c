#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup/cleanup.h"
#include "util/base/memory.h"
#include "util/task/offload.h"

/* A directory whose entries are made durable for all messages that wait for it at once. */
struct commit_directory {
    int fd;
    bool running;
    long started, finished; /* how many times */
    int error;              /* of the last time: errno */
    struct task_condition done;
};

static struct commit_directory *find_directory(struct cleanup_message *message)
{
    char path[QUEUE_PATH_SIZE];
    struct commit_directory *directory;

    queue_path(message->cleanup->layout, message->queue, message->id, path);
    *strrchr(path, '/') = '\0';
    directory = map_get(message->cleanup->directories, path);
    if (directory == NULL) {
        directory = memory_new(sizeof *directory);
        directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        task_condition_init(&directory->done);
        map_set(message->cleanup->directories, path, directory);
    }
    return directory;
}

static void sync_descriptor(void *argument)
{
    struct commit_directory *directory = argument;

    directory->error = fsync(directory->fd) < 0 ? errno : 0;
}

/* Waits for a sync that started after the call: one serves all who came while the one before was running. */
static bool sync_directory(struct commit_directory *directory)
{
    long wanted = directory->started + 1;

    while (directory->finished < wanted) {
        if (directory->running) {
            if (task_condition_wait(&directory->done, deadline_never()) != WAIT_READY)
                return false;
            continue;
        }
        directory->running = true;
        directory->started++;
        offload_run(sync_descriptor, directory);
        directory->finished = directory->started;
        directory->running = false;
        task_condition_wake_all(&directory->done);
    }
    errno = directory->error;
    return directory->error == 0;
}

bool commit_file(struct cleanup_message *message)
{
    struct message_commit commit = {.fd = message->fd, .directory_fd = -1};
    struct commit_directory *directory;

    offload_run(message_file_commit, &commit);
    if (commit.error != 0) {
        errno = commit.error;
        return false;
    }
    directory = find_directory(message);
    return directory->fd < 0 || sync_directory(directory);
}

/* The sender has its answer already; this learns how the queue manager keeps up. Mail that it is not told of is found
 * by its next scan. */
void commit_tell_qmgr(struct cleanup_message *message)
{
    struct cleanup *cleanup = message->cleanup;
    struct qmgr_new_message news = {.queue_id = message->id};
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
    if (ipc_send(call, &ipc_qmgr_new_message, &news) &&
        ipc_receive(call, &ipc_qmgr_taken, &answer, message->arena, deadline_in(cleanup->mail->ipc_timeout)) &&
        answer.full)
        cleanup->pressed = deadline_in(cleanup->mail->in_flow_delay);
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
