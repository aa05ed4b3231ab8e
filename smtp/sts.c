#include "smtp/sts.h"

#include <string.h>

#include "mail/ipc/ipc.h"
#include "smtp/tls.h"
#include "util/base/text.h"

/* ---- patterns ---- */

static bool matches(const char *pattern, const char *host)
{
    const char *rest = strchr(host, '.');

    pattern += string_starts(pattern, "*."); /* ".example.net" is how some plug-ins write it */
    if (*pattern != '.')
        return string_equal_ignore_case(pattern, host);
    return rest != NULL && rest > host && string_equal_ignore_case(pattern, rest);
}

bool smtp_sts_mx_matches(const char *const *patterns, const char *host)
{
    for (; *patterns != NULL; patterns++)
        if (matches(*patterns, host))
            return true;
    return false;
}

/* ---- the domain ---- */

static bool applies(const struct smtp_client *client, const char *item, const struct smtp_tls_policy *policy)
{
    struct net_endpoint endpoint;
    struct error ignored;

    return client->config->smtp_mta_sts && !policy->administered && policy->sts == NULL && /* not known already */
           policy->level >= SMTP_TLS_MAY && policy->level < SMTP_TLS_DANE && /* nobody said who the server has to be */
           net_endpoint_parse(item, client->default_port, &endpoint, &ignored) && destination_uses_mx(client, &endpoint);
}

static bool unknown(const char *domain, const char *why, struct arena *arena, struct smtp_trouble *trouble)
{
    *trouble = (struct smtp_trouble){.dsn = arena_copy(arena, "4.3.0")};
    return error_set(&trouble->reason, "MTA-STS policy of %s cannot be found out: %s", domain, why);
}

static const char *const *list(const struct ipc_strings *strings, struct arena *arena)
{
    const char **items = arena_alloc(arena, (strings->count + 1) * sizeof *items);

    if (strings->count > 0)
        memcpy(items, strings->items, strings->count * sizeof *items);
    return items;
}

/* Testing changes nothing but what is looked at: whether the mail would go if this were to be enforced. */
static bool make_policy(const struct smtp_client *client, const char *item, const struct mtasts_policy *found, struct arena *arena,
                        const struct smtp_tls_policy *policy, struct smtp_tls_policy *sts, struct error *error)
{
    bool enforced = found->mode == MTASTS_ENFORCE;

    *sts = *policy;
    if (enforced && !smtp_tls_policy_parse(client, item, "secure match=hostname servername=hostname", arena, sts, error))
        return false;
    sts->match = sts->server_name = "hostname";
    sts->anchors = NULL; /* those of main.cf are for other servers */
    sts->public_cas = true;
    sts->mx_must_match = enforced;
    sts->source = TLS_POLICY_STS;
    sts->source_lines = list(&found->lines, arena);
    sts->mx_patterns = list(&found->mx, arena);
    sts->identity = arena_format(arena, "%s sts %s %s", policy->identity, enforced ? "enforce" : "testing", found->id);
    return true;
}

bool smtp_sts_find(const struct smtp_client *client, const char *item, struct arena *arena, struct smtp_tls_policy *policy,
                   struct smtp_trouble *trouble)
{
    struct mtasts_find question = {.domain = policy->nexthop};
    struct mtasts_policy found;
    struct smtp_tls_policy *sts;
    struct error error;

    if (!applies(client, item, policy))
        return true;
    if (!ipc_ask(channel_pool_process(IPC_SOCKET_MTASTS, IPC_PROTOCOL_MTASTS), &ipc_mtasts_find, &question, &ipc_mtasts_policy,
                 &found, arena, deadline_in(client->config->smtp_mta_sts_timeout), &error))
        return unknown(policy->nexthop, arena_format(arena, "%s (is the service mtasts in master.cf?)", error.text), arena, trouble);
    if (found.unknown != 0)
        return unknown(policy->nexthop, found.reason, arena, trouble);
    if (found.failure != TLS_FAILURE_NONE) {
        policy->failure = (enum tls_failure)found.failure;
        policy->failure_reason = found.reason;
    }
    if (found.mode == MTASTS_NONE)
        return true;
    sts = arena_alloc(arena, sizeof *sts);
    if (!make_policy(client, item, &found, arena, policy, sts, &error))
        return unknown(policy->nexthop, error.text, arena, trouble);
    policy->sts = sts;
    policy->identity = sts->identity;
    return true;
}

/* ---- one host ---- */

bool smtp_sts_host_policy(const struct smtp_tls_policy *policy, const struct smtp_host *host, struct arena *arena,
                          struct smtp_tls_policy *result, struct smtp_trouble *trouble)
{
    *result = policy->sts != NULL ? *policy->sts : *policy;
    if (result->source != TLS_POLICY_STS || result->mx_patterns == NULL || smtp_sts_mx_matches(result->mx_patterns, host->name))
        return true;
    result->failure = TLS_FAILURE_VALIDATION;
    result->failure_reason = arena_format(arena, "host %s is not in the MTA-STS policy of %s", host->name, result->domain);
    if (!result->mx_must_match)
        return true;
    *trouble = (struct smtp_trouble){.dsn = arena_copy(arena, "4.7.5")};
    return error_set(&trouble->reason, "%s", result->failure_reason);
}
