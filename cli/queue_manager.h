/* queue_manager - questions to the queue manager, from a command: it waits for the answer.
 *
 * A set-gid postqueue may reach the queue manager's socket, and no file of the queue. */
#ifndef CLI_QUEUE_MANAGER_H
#define CLI_QUEUE_MANAGER_H

#include "cli/queue_command.h"
#include "mail/ipc/ipc.h"

/* False: there was no answer; error says why. Text of the answer belongs to the arena. */
bool queue_manager_ask(const struct queue_command *command, duration patience, const struct ipc_message *request,
                       const void *question, const struct ipc_message *reply, void *answer, struct arena *arena,
                       struct error *error);

#endif
