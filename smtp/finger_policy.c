/* Which policy a host is looked at under. Nothing is delivered, so that less than was asked for is never in the way. */
#include "smtp/finger.h"

#include "smtp/dane.h"
#include "smtp/tls.h"
#include "util/base/log.h"

static bool find_policy(const struct finger *finger, enum smtp_tls_level level, struct smtp_tls_policy *policy,
                        struct smtp_trouble *trouble)
{
    finger->config->tls_security_level = smtp_tls_level_name(level);
    return smtp_tls_policy_find(finger->client, finger->destination, finger->arena, policy, &trouble->reason);
}

static void tell_insecure(const struct smtp_tls_policy *policy)
{
    if (policy->forgeable && policy->level == SMTP_TLS_ENCRYPT && policy->tlsa == NULL)
        log_info(NULL, "TLSA RRs found, MX RRset insecure: just encrypt");
    else if (policy->forgeable)
        log_info(NULL, "MX RRset insecure: log verified as trusted");
}

/* Where there are no records: the certificate is looked at as a CA's. */
static bool without_records(const struct finger *finger, const struct smtp_host *host, struct smtp_tls_policy *policy,
                            struct smtp_trouble *trouble)
{
    if (!host->name_authentic && finger->client->tls->insecure_mx == SMTP_TLS_MAY) {
        log_info(NULL, "MX RRset is insecure: try to encrypt");
        return find_policy(finger, SMTP_TLS_MAY, policy, trouble);
    }
    if (finger->level == SMTP_TLS_DANE_ONLY)
        log_info(NULL, "no TLSA records found, resorting to \"secure\"");
    return find_policy(finger, SMTP_TLS_SECURE, policy, trouble);
}

bool finger_policy(const struct finger *finger, const struct smtp_host *host, struct smtp_tls_policy *policy,
                   struct smtp_trouble *trouble)
{
    struct smtp_tls_policy asked;

    if (!smtp_tls_level_is_dane(finger->level))
        return find_policy(finger, finger->level, policy, trouble);
    if (!find_policy(finger, SMTP_TLS_DANE, &asked, trouble))
        return false;
    switch (smtp_dane_policy(finger->client, &asked, host, finger->arena, policy, trouble)) {
    case SMTP_DANE_APPLIES: tell_insecure(policy); return true;
    case SMTP_DANE_TROUBLE: return false;
    default: return without_records(finger, host, policy, trouble);
    }
}
