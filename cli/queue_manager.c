#include "cli/queue_manager.h"

#include <stdlib.h>

#include "util/base/memory.h"
#include "util/task/loop.h"
#include "util/task/task.h"

struct asking {
    const char *path;
    duration patience;
    const struct ipc_message *request, *reply;
    const void *question;
    void *answer;
    struct arena *arena;
    struct error *error;
    bool answered;
};

static void run(void *argument)
{
    struct asking *asking = argument;
    struct channel_pool *pool = channel_pool_new(asking->path, IPC_PROTOCOL_QMGR, 0);

    asking->answered = ipc_ask(pool, asking->request, asking->question, asking->reply, asking->answer, asking->arena,
                               deadline_in(asking->patience), asking->error);
    channel_pool_free(pool);
    loop_stop();
}

bool queue_manager_ask(const struct queue_command *command, duration patience, const struct ipc_message *request,
                       const void *question, const struct ipc_message *reply, void *answer, struct arena *arena,
                       struct error *error)
{
    char *path = memory_format("public/%s", command->mail.queue_service_name);
    struct asking asking = {.path = path,
                            .patience = patience,
                            .request = request,
                            .reply = reply,
                            .question = question,
                            .answer = answer,
                            .arena = arena,
                            .error = error};

    loop_start();
    task_start(run, &asking);
    loop_run();
    loop_end();
    free(path);
    return asking.answered;
}
