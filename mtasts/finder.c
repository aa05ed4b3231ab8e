#include "mtasts/finder.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"
#include "util/task/task.h"

/* ATTEMPTS: domains remembered; WAITING: askers of one domain; QUEUE: fetches that wait for a place, for each place; REFRESHES: in
 * one round. */
enum { ATTEMPTS = 2000, WAITING = 200, QUEUE = 10, REFRESHES = 5000 };

/* The last fetch for a domain, or the one under way. */
struct attempt {
    struct link link; /* in finder->by_age, the oldest first */
    char *domain;
    bool running;
    size_t waiting;
    struct task_condition done;
    struct deadline good_until; /* not again before */
    enum tls_failure failure;
    char *reason;               /* NULL: it brought a policy; with TLS_FAILURE_NONE: it is our own fault */
    char *text, *id;            /* a policy that could not be kept; NULL: it was, or there is none */
};

struct sts_finder {
    const struct sts_source *source;
    struct sts_cache *cache;
    struct map *attempts; /* by domain */
    struct list by_age;
    struct task_semaphore places;
    size_t running;
    size_t refreshing;
    struct task_condition refreshed;
    void (*idle)(void *context);
    void *context;
};

static int64_t now_seconds(void)
{
    return clock_wall() / SECONDS;
}

struct sts_finder *sts_finder_new(const struct sts_source *source, struct sts_cache *cache, void (*idle)(void *context),
                                  void *context)
{
    struct sts_finder *finder = memory_new(sizeof *finder);

    *finder = (struct sts_finder){.source = source, .cache = cache, .attempts = map_new(), .idle = idle, .context = context};
    list_init(&finder->by_age);
    task_semaphore_init(&finder->places, source->config->mtasts_fetch_limit);
    task_condition_init(&finder->refreshed);
    return finder;
}

bool sts_finder_busy(const struct sts_finder *finder)
{
    return finder->running > 0;
}

/* ---- attempts ---- */

static void clear_outcome(struct attempt *attempt)
{
    free(attempt->reason);
    free(attempt->text);
    free(attempt->id);
    attempt->reason = attempt->text = attempt->id = NULL;
    attempt->failure = TLS_FAILURE_NONE;
}

static void forget(struct sts_finder *finder, struct attempt *attempt)
{
    map_remove(finder->attempts, attempt->domain);
    list_remove(&finder->by_age, &attempt->link);
    clear_outcome(attempt);
    free(attempt->domain);
    free(attempt);
}

static void forget_oldest(struct sts_finder *finder)
{
    list_each (link, following, &finder->by_age) {
        struct attempt *attempt = list_entry(link, struct attempt, link);

        if (!attempt->running && attempt->waiting == 0) {
            forget(finder, attempt);
            return;
        }
    }
}

static struct attempt *begin_attempt(struct sts_finder *finder, const char *domain)
{
    struct attempt *attempt = map_get(finder->attempts, domain);

    if (attempt == NULL) {
        if (map_count(finder->attempts) >= ATTEMPTS)
            forget_oldest(finder);
        attempt = memory_new(sizeof *attempt);
        attempt->domain = memory_copy_string(domain);
        task_condition_init(&attempt->done);
        map_set(finder->attempts, domain, attempt);
    } else {
        list_remove(&finder->by_age, &attempt->link);
    }
    list_append(&finder->by_age, &attempt->link);
    clear_outcome(attempt);
    attempt->running = true;
    finder->running++;
    return attempt;
}

static void end_attempt(struct sts_finder *finder, struct attempt *attempt)
{
    attempt->running = false;
    task_condition_wake_all(&attempt->done);
    if (--finder->running == 0 && finder->idle != NULL)
        finder->idle(finder->context);
}

/* ---- one fetch ---- */

static void keep(struct sts_finder *finder, struct attempt *attempt, const char *id, const char *text, struct arena *arena)
{
    static const char *const modes[] = {[MTASTS_NONE] = "none", [MTASTS_TESTING] = "testing", [MTASTS_ENFORCE] = "enforce"};
    int64_t now = now_seconds();
    struct sts_entry old, entry = {.fetched = now, .used = now, .id = id, .text = text};
    struct error error;
    bool kept;

    if (!sts_policy_parse(text, strlen(text), arena, &entry.policy, &error))
        return; /* it was good when it came */
    if (sts_cache_find(finder->cache, attempt->domain, now, arena, &old))
        entry.used = old.used;
    kept = sts_cache_keep(finder->cache, attempt->domain, &entry, &error);
    if (!kept)
        log_warning(NULL, "the policy of %s is not kept: %s", attempt->domain, error.text);
    if (!kept || entry.policy.max_age == 0) {
        attempt->text = memory_copy_string(text);
        attempt->id = memory_copy_string(id);
    } else { /* when it has expired, the next one must not be waited for */
        attempt->good_until = deadline_earlier(attempt->good_until, deadline_in(entry.policy.max_age * SECONDS));
    }
    log_info(NULL, "policy of %s: mode=%s, id=%s, mx=%zu, max_age=%lld", attempt->domain, modes[entry.policy.mode], id,
             entry.policy.mx.count, (long long)entry.policy.max_age);
}

static void fetch(struct sts_finder *finder, struct attempt *attempt, const char *id)
{
    struct arena *arena = arena_new();
    struct error error;
    const char *text = sts_fetch(finder->source, attempt->domain, arena, &attempt->failure, &error);

    attempt->good_until = deadline_in(finder->source->config->mtasts_fetch_interval);
    if (text != NULL) {
        keep(finder, attempt, id, text, arena);
    } else {
        attempt->reason = memory_copy_string(error.text);
        if (attempt->failure != TLS_FAILURE_NONE)
            log_info(NULL, "no policy from %s: %s", attempt->domain, error.text);
        else
            log_warning(NULL, "%s could not be asked for a policy: %s", attempt->domain, error.text);
    }
    arena_free(arena);
}

/* False: there was no place for it in time. */
static bool run_attempt(struct sts_finder *finder, const char *domain, const char *id, struct deadline deadline)
{
    struct attempt *attempt;
    bool place;

    if (finder->running >= (size_t)finder->source->config->mtasts_fetch_limit * QUEUE)
        return false;
    attempt = begin_attempt(finder, domain);
    place = task_semaphore_take(&finder->places, deadline) == WAIT_READY;
    if (place) {
        fetch(finder, attempt, id);
        task_semaphore_give(&finder->places);
    } else {
        attempt->good_until = deadline_in(0);
    }
    end_attempt(finder, attempt);
    return place;
}

/* A policy that was kept may have had to make room for others since: then it is as if it had never been fetched. */
static bool has_outcome(struct sts_finder *finder, const struct attempt *attempt)
{
    struct arena *arena;
    struct sts_entry entry;
    bool kept;

    if (attempt->reason != NULL || attempt->text != NULL)
        return true;
    arena = arena_new();
    kept = sts_cache_find(finder->cache, attempt->domain, now_seconds(), arena, &entry);
    arena_free(arena);
    return kept;
}

/* Sees to it that the domain's last fetch is not long ago. False: it could not be had in time. */
static bool fetch_once(struct sts_finder *finder, const char *domain, const char *id, struct deadline deadline)
{
    struct attempt *attempt;

    while ((attempt = map_get(finder->attempts, domain)) != NULL && attempt->running) {
        enum wait_result result;

        if (attempt->waiting >= WAITING)
            return false;
        attempt->waiting++;
        result = task_condition_wait(&attempt->done, deadline);
        attempt->waiting--; /* it is there as long as somebody waits */
        if (result != WAIT_READY)
            return false;
    }
    if (attempt != NULL && !deadline_passed(attempt->good_until) && has_outcome(finder, attempt))
        return true;
    return run_attempt(finder, domain, id, deadline);
}

/* The whole of a fetch, with its lookups, and as long again until there is a place. */
static struct deadline fetch_deadline(const struct sts_finder *finder)
{
    return deadline_in(2 * finder->source->config->mtasts_fetch_timeout);
}

/* ---- in the background ---- */

struct refresh {
    struct sts_finder *finder;
    char *domain;
};

static void run_refresh(void *argument)
{
    struct refresh *refresh = argument;
    struct sts_finder *finder = refresh->finder;
    struct arena *arena = arena_new();
    struct sts_entry kept;
    char id[STS_ID_LIMIT + 1];
    enum sts_announcement announcement = sts_look_up(finder->source, refresh->domain, id);

    if (sts_cache_find(finder->cache, refresh->domain, now_seconds(), arena, &kept))
        fetch_once(finder, refresh->domain, announcement == STS_ANNOUNCED ? id : kept.id, fetch_deadline(finder));
    arena_free(arena);
    free(refresh->domain);
    free(refresh);
    finder->refreshing--;
    task_condition_wake_all(&finder->refreshed);
}

/* Half of the places stay for those who wait. */
static bool may_refresh(const struct sts_finder *finder)
{
    return finder->refreshing < (size_t)finder->source->config->mtasts_fetch_limit / 2 + 1;
}

static void start_refresh(struct sts_finder *finder, const char *domain)
{
    const struct attempt *attempt = map_get(finder->attempts, domain);
    struct refresh *refresh;

    if (attempt != NULL && (attempt->running || !deadline_passed(attempt->good_until)))
        return;
    refresh = memory_new(sizeof *refresh);
    *refresh = (struct refresh){finder, memory_copy_string(domain)};
    finder->refreshing++;
    task_start(run_refresh, refresh);
}

static void refresh_for_ever(void *argument)
{
    struct sts_finder *finder = argument;

    while (task_sleep(finder->source->config->mtasts_refresh_interval) == WAIT_READY) {
        struct arena *arena = arena_new();
        struct sts_domains due;

        sts_cache_sweep(finder->cache, now_seconds(), REFRESHES, arena, &due);
        for (size_t i = 0; i < due.count; i++) {
            while (!may_refresh(finder) && task_condition_wait(&finder->refreshed, deadline_never()) == WAIT_READY)
                ;
            start_refresh(finder, due.items[i]);
        }
        arena_free(arena);
    }
}

void sts_finder_start_refreshing(struct sts_finder *finder)
{
    task_start(refresh_for_ever, finder);
}

/* ---- answers ---- */

static void answer_policy(const char *id, const struct sts_policy *policy, struct mtasts_policy *answer)
{
    answer->mode = policy->mode;
    answer->id = id;
    answer->mx = policy->mx;
    answer->lines = policy->lines;
}

/* What the last fetch brought, where it could not be kept. */
static void answer_attempt(struct sts_finder *finder, const char *domain, struct arena *arena, struct mtasts_policy *answer)
{
    const struct attempt *attempt = map_get(finder->attempts, domain);
    struct sts_policy policy;
    struct error error;

    if (attempt == NULL)
        return;
    if (attempt->text != NULL && sts_policy_parse(attempt->text, strlen(attempt->text), arena, &policy, &error))
        answer_policy(arena_copy(arena, attempt->id), &policy, answer);
    answer->failure = attempt->failure;
    answer->reason = arena_copy(arena, attempt->reason != NULL ? attempt->reason : "");
    answer->unknown = attempt->reason != NULL && attempt->failure == TLS_FAILURE_NONE;
}

void sts_finder_find(struct sts_finder *finder, const char *name, struct arena *arena, struct mtasts_policy *answer)
{
    char *domain = arena_copy(arena, name), id[STS_ID_LIMIT + 1] = "";
    struct sts_entry entry;
    enum sts_announcement announcement;
    enum sts_action action;
    bool kept, in_time = true;

    *answer = (struct mtasts_policy){.mode = MTASTS_NONE, .id = "", .reason = ""};
    if (string_ends(domain, "."))
        domain[strlen(domain) - 1] = '\0';
    if (!sts_domain_valid(domain))
        return;
    ascii_lower_string(domain);
    announcement = sts_look_up(finder->source, domain, id);
    kept = sts_cache_find(finder->cache, domain, now_seconds(), arena, &entry);
    action = sts_decide(announcement, id, kept ? &entry : NULL, now_seconds());
    if (action == STS_FETCH) {
        in_time = fetch_once(finder, domain, id, fetch_deadline(finder));
        kept = sts_cache_find(finder->cache, domain, now_seconds(), arena, &entry);
    }
    if (kept) {
        sts_cache_touch(finder->cache, domain, &entry, now_seconds());
        answer_policy(entry.id, &entry.policy, answer);
        if (action == STS_REFRESH && may_refresh(finder))
            start_refresh(finder, domain);
    } else if (action == STS_FETCH && in_time) {
        answer_attempt(finder, domain, arena, answer);
    } else if (action == STS_FETCH) {
        answer->unknown = 1;
        answer->reason = "too many policies are being fetched";
    }
}
