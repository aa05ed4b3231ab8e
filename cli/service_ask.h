/* service_ask - a command's one question to a service of the running instance. */
#ifndef CLI_SERVICE_ASK_H
#define CLI_SERVICE_ASK_H

#include "mail/ipc/ipc.h"

struct service_question {
    const char *path, *protocol; /* "public/qmgr", from the working directory on */
    duration patience;
    const struct ipc_message *request, *reply;
    const void *question;
};

/* Fills *answer, whose text is the arena's. False: there is no answer; see error. */
bool service_ask(const struct service_question *question, void *answer, struct arena *arena, struct error *error);

#endif
