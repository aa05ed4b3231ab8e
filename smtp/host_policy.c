#include "smtp/host_policy.h"

#include "smtp/sts.h"

bool smtp_host_policy(const struct smtp_client *client, const struct smtp_tls_policy *policy, const struct smtp_host *host,
                      struct arena *arena, struct smtp_tls_policy *result, struct smtp_trouble *trouble)
{
    (void)client;
    return smtp_sts_host_policy(policy, host, arena, result, trouble);
}
