#include "smtp/host_policy.h"

#include "smtp/dane.h"
#include "smtp/sts.h"
#include "util/base/log.h"

bool smtp_host_policy_varies(const struct smtp_tls_policy *policy)
{
    return smtp_tls_level_is_dane(policy->level);
}

/* Nothing may be said in the clear where TLS is to begin with the connection. */
static bool fits_wrapper_mode(const struct smtp_client *client, const struct smtp_tls_policy *result,
                              struct smtp_trouble *trouble)
{
    if (!client->config->tls_wrappermode || result->level >= SMTP_TLS_ENCRYPT)
        return true;
    log_warning(NULL, "smtp_tls_wrappermode requires \"smtp_tls_security_level = encrypt\" (or stronger)");
    trouble->dsn = "4.3.0";
    return error_set(&trouble->reason, "server unavailable or unable to receive mail");
}

/* Where DANE may protect the host, nobody has asked for an STS policy yet: mtasts must not be needed for what it does not matter
 * to. */
static bool without_dane(const struct smtp_client *client, const char *item, const struct smtp_tls_policy *policy,
                         const struct smtp_host *host, struct arena *arena, struct smtp_tls_policy *result,
                         struct smtp_trouble *trouble)
{
    if (policy->without_tlsa != NULL && !smtp_sts_find(client, item, arena, policy->without_tlsa, trouble))
        return false;
    return smtp_sts_host_policy(policy->without_tlsa != NULL ? policy->without_tlsa : policy, host, arena, result, trouble) &&
           fits_wrapper_mode(client, result, trouble);
}

bool smtp_host_policy(const struct smtp_client *client, const char *item, const struct smtp_tls_policy *policy,
                      const struct smtp_host *host, struct arena *arena, struct smtp_tls_policy *result,
                      struct smtp_trouble *trouble)
{
    *trouble = (struct smtp_trouble){0};
    switch (smtp_dane_policy(client, policy, host, arena, result, trouble)) {
    case SMTP_DANE_APPLIES: return true;
    case SMTP_DANE_TROUBLE: return false;
    default: return without_dane(client, item, policy, host, arena, result, trouble);
    }
}
