/* smtp, lmtp - delivers mail to other hosts over SMTP, to mail stores over LMTP. Each call is one message for one next
 * hop. Which of the two it is, the name says by which the program was started. */
#include "mail/delivery/delivery.h"
#include "mail/service/service.h"
#include "smtp/config.h"
#include "smtp/deliver.h"
#include "util/base/text.h"

static bool client_ready(struct service_environment *environment, bool lmtp, struct error *error)
{
    environment->state =
        smtp_client_new(environment->config, environment->mail, environment->parameters, lmtp, error);
    return environment->state != NULL;
}

static bool smtp_ready(struct service_environment *environment, struct error *error)
{
    return client_ready(environment, false, error);
}

static bool lmtp_ready(struct service_environment *environment, struct error *error)
{
    return client_ready(environment, true, error);
}

static void client_call(struct service_environment *environment, struct call *call)
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
    .call = client_call,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

static const struct service lmtp = {
    .name = "lmtp",
    .parameters = &lmtp_parameters,
    .ready = lmtp_ready,
    .call = client_call,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

int main(int argc, char **argv)
{
    return service_main(string_ends(argv[0], "lmtp") ? &lmtp : &smtp, argc, argv);
}
