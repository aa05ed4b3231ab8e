/* trivial-rewrite - says where mail for an address goes. */
#include "mail/ipc/ipc.h"
#include "mail/service/service.h"
#include "rewrite/resolve.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct rewrite_config, __VA_ARGS__)
#include "rewrite/rewrite.def"
#undef PARAMETER
};

static const struct parameter_set rewrite_parameters = PARAMETER_SET(parameters, struct rewrite_config);

static bool rewrite_start(struct service_environment *environment, struct error *error)
{
    environment->state = resolver_new(environment, error);
    return environment->state != NULL;
}

static void rewrite_call(struct service_environment *environment, struct call *call)
{
    struct arena *arena = arena_new();
    struct resolve_request request;
    struct resolve_reply reply;

    if (ipc_receive(call, &ipc_resolve_request, &request, arena, deadline_in(environment->mail->ipc_timeout))) {
        resolver_resolve(environment->state, &request, arena, &reply);
        ipc_send_last(call, &ipc_resolve_reply, &reply);
    }
    arena_free(arena);
}

static const struct service trivial_rewrite = {
    .name = "trivial-rewrite",
    .parameters = &rewrite_parameters,
    .sandbox = SANDBOX_READ_ONLY,
    .start = rewrite_start,
    .call = rewrite_call,
    .protocol = IPC_PROTOCOL_REWRITE,
};

int main(int argc, char **argv)
{
    return service_main(&trivial_rewrite, argc, argv);
}
