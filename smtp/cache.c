#include "smtp/cache.h"

#include <stdlib.h>

#include "smtp/tls_policy.h"
#include "util/base/map.h"
#include "util/base/memory.h"
#include "util/task/loop.h"

struct smtp_destination {
    char *nexthop;
    size_t deliveries;   /* under way */
    int64_t last_begun;  /* on the monotonic clock */
    bool frequent;       /* the last two began within a second */
    bool listed;         /* in smtp_connection_cache_destinations */
    struct list idle;    /* sessions, the latest used first */
};

struct smtp_cache {
    const struct smtp_client *client;
    struct map *destinations;
    struct loop_timer *timer;
    bool timer_set;
    size_t held; /* sessions that are kept, or said QUIT to */
    smtp_cache_emptied_fn *emptied;
    void *context;
};

struct closing {
    struct smtp_cache *cache;
    struct smtp_session *session;
};

enum { FREQUENT_SECONDS = 1, FORGET_SECONDS = 10 };

/* ---- closing what has waited long enough ---- */

static void close_session(void *argument)
{
    struct closing *closing = argument;
    struct smtp_cache *cache = closing->cache;

    smtp_session_close(closing->session);
    free(closing);
    if (--cache->held == 0)
        cache->emptied(cache->context);
}

static void close_late_sessions(struct smtp_cache *cache, struct smtp_destination *destination, int64_t now)
{
    list_each (link, following, &destination->idle) {
        struct smtp_session *session = list_entry(link, struct smtp_session, link);
        struct closing *closing;

        if (session->keep_until > now)
            continue;
        list_remove(&destination->idle, link);
        closing = memory_new(sizeof *closing);
        *closing = (struct closing){.cache = cache, .session = session};
        task_start(close_session, closing); /* QUIT may have to wait: not on the loop's stack */
    }
}

static bool is_forgotten(const struct smtp_destination *destination, int64_t now)
{
    return destination->deliveries == 0 && list_empty(&destination->idle) &&
           now - destination->last_begun > FORGET_SECONDS * SECONDS;
}

static void sweep(void *context)
{
    struct smtp_cache *cache = context;
    const char **names = map_sorted_keys(cache->destinations);
    size_t count = map_count(cache->destinations);
    int64_t now = clock_monotonic();

    for (size_t i = 0; i < count; i++) {
        struct smtp_destination *destination = map_get(cache->destinations, names[i]);

        close_late_sessions(cache, destination, now);
        if (is_forgotten(destination, now)) {
            map_remove(cache->destinations, destination->nexthop);
            free(destination->nexthop);
            free(destination);
        }
    }
    free(names);
    cache->timer_set = map_count(cache->destinations) > 0;
    if (cache->timer_set)
        loop_timer_set(cache->timer, 500 * MILLISECONDS);
}

struct smtp_cache *smtp_cache_new(const struct smtp_client *client, smtp_cache_emptied_fn *emptied, void *context)
{
    struct smtp_cache *cache = memory_new(sizeof *cache);

    cache->client = client;
    cache->emptied = emptied;
    cache->context = context;
    cache->destinations = map_new();
    cache->timer = loop_timer_new(sweep, cache);
    return cache;
}

bool smtp_cache_empty(const struct smtp_cache *cache)
{
    return cache->held == 0;
}

/* ---- destinations ---- */

/* The list has names without brackets and ports. */
static bool is_listed(const struct smtp_client *client, const char *nexthop)
{
    struct net_endpoint endpoint;
    struct error error;

    if (match_list_empty(client->cache_destinations))
        return false;
    if (!net_endpoint_parse(nexthop, client->default_port, &endpoint, &error))
        return false;
    return match_list_string(client->cache_destinations, endpoint.host, &error) == MATCH_YES;
}

struct smtp_destination *smtp_cache_enter(struct smtp_cache *cache, const char *nexthop)
{
    struct smtp_destination *destination = map_get(cache->destinations, nexthop);
    int64_t now = clock_monotonic();

    if (destination == NULL) {
        destination = memory_new(sizeof *destination);
        destination->nexthop = memory_copy_string(nexthop);
        destination->listed = is_listed(cache->client, nexthop);
        list_init(&destination->idle);
        map_set(cache->destinations, nexthop, destination);
    } else {
        destination->frequent = now - destination->last_begun < FREQUENT_SECONDS * SECONDS;
    }
    destination->last_begun = now;
    destination->deliveries++;
    return destination;
}

void smtp_cache_leave(struct smtp_cache *cache, struct smtp_destination *destination)
{
    destination->deliveries--;
    if (!cache->timer_set) {
        cache->timer_set = true;
        loop_timer_set(cache->timer, 500 * MILLISECONDS);
    }
}

/* ---- sessions ---- */

struct smtp_session *smtp_cache_take(struct smtp_cache *cache, struct smtp_destination *destination,
                                     const struct smtp_purpose *purpose, enum smtp_requiretls demand)
{
    list_each (link, following, &destination->idle) {
        struct smtp_session *session = list_entry(link, struct smtp_session, link);

        if (!string_equal(session->tls_identity, purpose->policy->identity) ||
            !string_equal(session->owner, purpose->owner) || smtp_requiretls_session_lack(demand, session) != NULL)
            continue;
        list_remove(&destination->idle, link);
        cache->held--;
        return session;
    }
    return NULL;
}

static bool worth_keeping(const struct smtp_cache *cache, const struct smtp_destination *destination,
                          const struct smtp_session *session)
{
    const struct smtp_config *config = cache->client->config;
    size_t unread;

    stream_buffered(session->stream, &unread);
    if (session->dead || unread > 0 || stream_status(session->stream) != STREAM_OK)
        return false;
    if (config->connection_reuse_count_limit > 0 && session->uses > config->connection_reuse_count_limit)
        return false;
    if (clock_monotonic() - session->started >= config->connection_reuse_time_limit)
        return false;
    return destination->listed || (config->connection_cache_on_demand &&
                                   (destination->deliveries > 1 || destination->frequent));
}

void smtp_cache_keep(struct smtp_cache *cache, struct smtp_destination *destination, struct smtp_session *session)
{
    if (!worth_keeping(cache, destination, session)) {
        smtp_session_close(session);
        return;
    }
    session->keep_until = clock_monotonic() + cache->client->config->connection_cache_time_limit;
    stream_rest(session->stream);
    list_prepend(&destination->idle, &session->link);
    cache->held++;
}
