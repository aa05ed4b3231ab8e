/* virtual - delivers to mailboxes that belong to no system user: files and maildirs named by virtual_mailbox_maps. */
#include "mail/delivery/delivery.h"
#include "mail/mailbox/mailbox.h"
#include "mail/service/service.h"
#include "virtual/virtual.h"

static bool virtual_ready(struct service_environment *environment, struct error *error)
{
    environment->state = virtual_agent_new(environment->mail, environment->parameters, error);
    return environment->state != NULL && mailbox_forget_groups(error);
}

static void virtual_call(struct service_environment *environment, struct call *call)
{
    struct delivery *delivery = delivery_begin(environment, call);

    if (delivery == NULL)
        return;
    for (size_t i = 0; i < delivery->recipient_count; i++) {
        struct delivery_result result = {.relay = environment->service_name};

        virtual_deliver(environment->state, delivery, i, &result);
        delivery_settle(delivery, i, &result);
    }
    delivery_end(delivery);
}

static const struct service virtual = {
    .name = "virtual",
    .parameters = &virtual_parameters,
    .ready = virtual_ready,
    .call = virtual_call,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

int main(int argc, char **argv)
{
    return service_main(&virtual, argc, argv);
}
