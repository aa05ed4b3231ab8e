/* discard - throws mail away, and says that it was delivered. The next hop is the reason. */
#include "mail/delivery/delivery.h"
#include "mail/delivery/dsn.h"
#include "mail/service/service.h"

static void discard_call(struct service_environment *environment, struct call *call)
{
    struct delivery *delivery = delivery_begin(environment, call);
    struct delivery_result result = {0};
    char dsn[DSN_SIZE];

    if (delivery == NULL)
        return;
    result.reason = dsn_split(delivery->request.nexthop, "2.0.0", dsn);
    result.dsn = dsn;
    for (size_t i = 0; i < delivery->recipient_count; i++)
        delivery_settle(delivery, i, &result);
    delivery_end(delivery);
}

static const struct service discard = {
    .name = "discard",
    .call = discard_call,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

int main(int argc, char **argv)
{
    return service_main(&discard, argc, argv);
}
