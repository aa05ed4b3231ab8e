#include "smtp/finger.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/task/task.h"

static void tell_failure(const struct finger *finger, const struct smtp_host *host, const struct smtp_trouble *trouble)
{
    if (smtp_address_path(&host->address) != NULL)
        log_info(NULL, "Failed to establish session to %s: %s", finger->destination, trouble->reason.text);
    else
        log_info(NULL, "Failed to establish session to %s via %s: %s", finger->destination, host->name,
                 trouble->reason.text);
}

/* Behind one name there may be several servers, which do not know each other's sessions: until one is met again. */
static void reconnect(const struct finger *finger, const struct smtp_host *host, const struct smtp_tls_policy *policy,
                      struct finger_seen *seen)
{
    struct map *servers = map_new();
    struct smtp_trouble trouble;
    long left = finger->reconnects;

    if (map_count(seen->sessions) == 0) {
        log_info(NULL, "Server declined session caching. Done reconnecting.");
        left = 0;
    }
    while (left > 0 && seen->server != NULL && map_get(servers, seen->server) == NULL) {
        map_set(servers, seen->server, servers);
        log_info(NULL, "Reconnecting after %lld seconds", (long long)(finger->pause / SECONDS));
        task_sleep(finger->pause);
        if (!finger_session(finger, host, policy, true, seen, &trouble)) {
            tell_failure(finger, host, &trouble);
            break;
        }
        if (seen->server != NULL && map_get(servers, seen->server) != NULL)
            log_info(NULL, "Found a previously used server.  Done reconnecting.");
        else if (--left == 0)
            log_info(NULL, "Maximum reconnect count reached.");
    }
    map_free(servers);
}

/* True: it was talked to. */
static bool try_host(const struct finger *finger, const struct smtp_host *host)
{
    struct smtp_tls_policy policy;
    struct smtp_trouble trouble = {0};
    struct finger_seen seen;
    bool talked;

    finger_seen_init(&seen);
    talked = finger_policy(finger, host, &policy, &trouble) &&
             finger_session(finger, host, &policy, false, &seen, &trouble);
    if (!talked)
        tell_failure(finger, host, &trouble);
    else if (finger->pause > 0 && seen.encrypted)
        reconnect(finger, host, &policy, &seen);
    finger_seen_free(&seen);
    return talked;
}

void finger_run(struct finger *finger)
{
    struct smtp_trouble trouble = {0};
    struct smtp_hosts hosts;

    if (!destination_lookup(finger->client, finger->destination, finger->arena, &hosts, &trouble)) {
        log_info(NULL, "Destination address lookup failed: %s", trouble.reason.text);
        return;
    }
    for (size_t i = 0; i < hosts.count; i++)
        if (try_host(finger, &hosts.hosts[i]))
            return;
}
