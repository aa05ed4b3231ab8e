#include "cli/queue_manager.h"

#include <stdlib.h>

#include "cli/service_ask.h"
#include "util/base/memory.h"

bool queue_manager_ask(const struct queue_command *command, duration patience, const struct ipc_message *request,
                       const void *question, const struct ipc_message *reply, void *answer, struct arena *arena,
                       struct error *error)
{
    char *path = memory_format("public/%s", command->mail.queue_service_name);
    const struct service_question asked = {.path = path,
                                           .protocol = IPC_PROTOCOL_QMGR,
                                           .patience = patience,
                                           .request = request,
                                           .reply = reply,
                                           .question = question};
    bool answered = service_ask(&asked, answer, arena, error);

    free(path);
    return answered;
}
