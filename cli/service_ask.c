#include "cli/service_ask.h"

#include "util/task/loop.h"
#include "util/task/task.h"

struct asking {
    const struct service_question *question;
    void *answer;
    struct arena *arena;
    struct error *error;
    bool answered;
};

static void run(void *argument)
{
    struct asking *asking = argument;
    const struct service_question *question = asking->question;
    struct channel_pool *pool = channel_pool_new(question->path, question->protocol, 0);

    asking->answered = ipc_ask(pool, question->request, question->question, question->reply, asking->answer, asking->arena,
                               deadline_in(question->patience), asking->error);
    channel_pool_free(pool);
    loop_stop();
}

bool service_ask(const struct service_question *question, void *answer, struct arena *arena, struct error *error)
{
    struct asking asking = {.question = question, .answer = answer, .arena = arena, .error = error};

    loop_start();
    task_start(run, &asking);
    loop_run();
    loop_end();
    return asking.answered;
}
