/* error - returns mail that cannot be delivered (service error), or lets it wait (service retry). The next hop is the
 * reason, with an enhanced status code before it if need be. */
#include "mail/delivery/delivery.h"
#include "mail/delivery/dsn.h"
#include "mail/service/service.h"
#include "util/base/text.h"

static void error_call(struct service_environment *environment, struct call *call)
{
    struct delivery *delivery = delivery_begin(environment, call);
    bool retry = string_equal(environment->service_name, "retry");
    struct delivery_result result = {0};
    char dsn[DSN_SIZE];

    if (delivery == NULL)
        return;
    result.reason = dsn_split(delivery->request.nexthop, retry ? "4.0.0" : "5.0.0", dsn);
    result.dsn = dsn;
    if (*delivery->request.nexthop == '\0')
        result.reason = "Address is undeliverable";
    for (size_t i = 0; i < delivery->recipient_count; i++)
        delivery_settle(delivery, i, &result);
    delivery_end(delivery);
}

static const struct service error_service = {
    .name = "error",
    .call = error_call,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

int main(int argc, char **argv)
{
    return service_main(&error_service, argc, argv);
}
