/* smtp - delivers mail to other hosts over SMTP. Each call is one message for one next hop. */
#include "mail/delivery/delivery.h"
#include "mail/service/service.h"
#include "smtp/config.h"
#include "smtp/deliver.h"

static bool smtp_ready(struct service_environment *environment, struct error *error)
{
    environment->state =
        smtp_client_new(environment->config, environment->mail, environment->parameters, error);
    return environment->state != NULL;
}

static void smtp_call(struct service_environment *environment, struct call *call)
{
    struct delivery *delivery = delivery_begin(environment, call);

    if (delivery == NULL)
        return;
    smtp_deliver(environment->state, delivery);
    delivery_end(delivery);
}

static const struct service smtp = {
    .name = "smtp",
    .parameters = &smtp_parameters,
    .ready = smtp_ready,
    .call = smtp_call,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

int main(int argc, char **argv)
{
    return service_main(&smtp, argc, argv);
}
