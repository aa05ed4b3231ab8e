#include "mtasts/cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/store.h"

/* Real policies have a few hundred bytes. The file has room for as many as there may be of the longest that is kept. */
enum { KEPT_LIMIT = 16 * 1024, FILE_SHARE = 24 * 1024, FILE_LEAST = 1024 * 1024, DAY = 86400, MONTH = 30 * DAY };

struct sts_cache {
    struct store *store;
    size_t count, limit;
};

static void complain(const char *what, const struct error *error)
{
    log_warning(NULL, "%s: %s", what, error->text);
}

/* ---- one entry as bytes: "1 FETCHED EXPIRES USED ID" and LF, then the policy ---- */

static void print_entry(const struct sts_entry *entry, struct text *out)
{
    text_append_format(out, "1 %" PRId64 " %" PRId64 " %" PRId64 " %s\n", entry->fetched, entry->expires, entry->used, entry->id);
    text_append(out, entry->text);
}

static bool read_entry_head(const char *bytes, size_t length, struct sts_entry *entry, char id[STS_ID_LIMIT + 1], size_t *used)
{
    char head[160];
    const char *end = memchr(bytes, '\n', length < sizeof head ? length : sizeof head - 1);

    if (end == NULL)
        return false;
    memcpy(head, bytes, (size_t)(end - bytes));
    head[end - bytes] = '\0';
    *used = (size_t)(end - bytes) + 1;
    *id = '\0';
    return sscanf(head, "1 %" SCNd64 " %" SCNd64 " %" SCNd64 " %32s", &entry->fetched, &entry->expires, &entry->used, id) >= 3;
}

static bool read_entry(const struct text *bytes, struct arena *arena, struct sts_entry *entry, struct error *error)
{
    char id[STS_ID_LIMIT + 1];
    size_t used;

    if (!read_entry_head(text_string(bytes), bytes->length, entry, id, &used))
        return error_set(error, "not an entry of this program");
    entry->id = arena_copy(arena, id);
    entry->text = arena_copy_bytes(arena, bytes->data + used, bytes->length - used);
    return sts_policy_parse(entry->text, strlen(entry->text), arena, &entry->policy, error);
}

/* ---- the whole ---- */

static bool count_one(void *context, const char *key, const void *bytes, size_t length)
{
    struct sts_cache *cache = context;

    (void)key, (void)bytes, (void)length;
    cache->count++;
    return true;
}

struct sts_cache *sts_cache_open(const char *path, size_t limit, struct error *error)
{
    struct store *store = store_open(path, FILE_LEAST + limit * FILE_SHARE, false, error);
    struct sts_cache *cache;

    if (store == NULL)
        return NULL;
    cache = memory_new(sizeof *cache);
    cache->store = store;
    cache->limit = limit;
    if (store_each(store, "", count_one, cache, error))
        return cache;
    sts_cache_close(cache);
    return NULL;
}

void sts_cache_close(struct sts_cache *cache)
{
    if (cache == NULL)
        return;
    store_close(cache->store);
    free(cache);
}

size_t sts_cache_count(const struct sts_cache *cache)
{
    return cache->count;
}

static void remove_entry(struct sts_cache *cache, const char *domain)
{
    struct error error;

    if (!store_remove(cache->store, domain, &error))
        complain("removing a policy", &error);
    else if (cache->count > 0)
        cache->count--;
}

bool sts_cache_find(struct sts_cache *cache, const char *domain, int64_t now, struct arena *arena, struct sts_entry *entry)
{
    struct text bytes = {0};
    struct error error;
    bool there = store_get(cache->store, domain, &bytes, &error), good = there;

    if (!there && *error.text != '\0')
        complain("reading a policy", &error);
    if (there && !read_entry(&bytes, arena, entry, &error)) {
        log_warning(NULL, "the kept policy of %s is damaged: %s", domain, error.text);
        good = false;
    }
    if (there && (!good || entry->expires <= now)) {
        remove_entry(cache, domain);
        good = false;
    }
    text_free(&bytes);
    return good;
}

static bool is_there(struct sts_cache *cache, const char *domain)
{
    struct text bytes = {0};
    struct error error;
    bool there = store_get(cache->store, domain, &bytes, &error);

    text_free(&bytes);
    return there;
}

static bool put(struct sts_cache *cache, const char *domain, const struct sts_entry *entry, struct error *error)
{
    struct text bytes = {0};
    bool good;

    print_entry(entry, &bytes);
    good = store_put(cache->store, domain, bytes.data, bytes.length, error);
    text_free(&bytes);
    return good;
}

/* ---- making room ---- */

struct aged {
    char *domain;
    int64_t used;
};

struct gathering {
    struct aged *items;
    size_t count, limit;
};

static bool gather(void *context, const char *key, const void *bytes, size_t length)
{
    struct gathering *all = context;
    struct sts_entry entry = {0};
    char id[STS_ID_LIMIT + 1];
    size_t used;

    read_entry_head(bytes, length, &entry, id, &used);
    all->items[all->count++] = (struct aged){.domain = memory_copy_string(key), .used = entry.used};
    return all->count < all->limit;
}

static int by_use(const void *a, const void *b)
{
    int64_t one = ((const struct aged *)a)->used, other = ((const struct aged *)b)->used;

    return (one > other) - (one < other);
}

/* A tenth goes at once, so that this is rare. */
static void make_room(struct sts_cache *cache)
{
    struct gathering all = {.items = memory_new((cache->count + 1) * sizeof *all.items), .limit = cache->count};
    struct error error;

    if (!store_each(cache->store, "", gather, &all, &error))
        complain("looking for policies to drop", &error);
    qsort(all.items, all.count, sizeof *all.items, by_use);
    if (store_begin(cache->store, &error)) {
        for (size_t i = 0; i < all.count && i <= cache->limit / 10; i++)
            remove_entry(cache, all.items[i].domain);
        if (!store_commit(cache->store, &error))
            complain("dropping policies", &error);
    }
    for (size_t i = 0; i < all.count; i++)
        free(all.items[i].domain);
    free(all.items);
}

bool sts_cache_keep(struct sts_cache *cache, const char *domain, const struct sts_entry *entry, struct error *error)
{
    struct sts_entry kept = *entry;
    bool replaces = is_there(cache, domain);

    kept.expires = entry->fetched + entry->policy.max_age;
    if (entry->policy.max_age == 0) {
        if (replaces)
            remove_entry(cache, domain);
        return true;
    }
    if (strlen(entry->text) > KEPT_LIMIT)
        return error_set(error, "a policy of more than %d bytes is not kept", KEPT_LIMIT);
    if (!replaces && cache->count >= cache->limit)
        make_room(cache);
    if (!put(cache, domain, &kept, error))
        return false;
    cache->count += !replaces;
    return true;
}

void sts_cache_touch(struct sts_cache *cache, const char *domain, const struct sts_entry *entry, int64_t now)
{
    struct sts_entry touched = *entry;
    struct error error;

    if (now - entry->used < DAY)
        return;
    touched.used = now;
    if (!put(cache, domain, &touched, &error))
        complain("noting the use of a policy", &error);
}

/* ---- what is due ---- */

bool sts_entry_is_due(const struct sts_entry *entry, int64_t now)
{
    int64_t age = now - entry->fetched;

    return age >= DAY || age * 2 >= entry->expires - entry->fetched;
}

struct sweep {
    int64_t now;
    size_t most;
    struct arena *arena;
    struct sts_domains due, expired;
};

static void add_domain(struct sweep *sweep, struct sts_domains *domains, const char *key)
{
    if (domains->count < sweep->most)
        domains->items[domains->count++] = arena_copy(sweep->arena, key);
}

static bool look_at(void *context, const char *key, const void *bytes, size_t length)
{
    struct sweep *sweep = context;
    struct sts_entry entry = {0};
    char id[STS_ID_LIMIT + 1];
    size_t used;

    if (!read_entry_head(bytes, length, &entry, id, &used) || entry.expires <= sweep->now)
        add_domain(sweep, &sweep->expired, key);
    else if (sts_entry_is_due(&entry, sweep->now) && sweep->now - entry.used < MONTH)
        add_domain(sweep, &sweep->due, key);
    return true;
}

void sts_cache_sweep(struct sts_cache *cache, int64_t now, size_t most, struct arena *arena, struct sts_domains *due)
{
    struct sweep sweep = {.now = now, .most = most, .arena = arena};
    struct error error;

    sweep.due.items = arena_alloc(arena, (most + 1) * sizeof *sweep.due.items);
    sweep.expired.items = arena_alloc(arena, (most + 1) * sizeof *sweep.expired.items);
    if (!store_each(cache->store, "", look_at, &sweep, &error))
        complain("looking through the policies", &error);
    if (sweep.expired.count > 0 && store_begin(cache->store, &error)) {
        for (size_t i = 0; i < sweep.expired.count; i++)
            remove_entry(cache, sweep.expired.items[i]);
        if (!store_commit(cache->store, &error))
            complain("dropping policies that have expired", &error);
    }
    *due = sweep.due;
}

/* ---- what to do ---- */

enum sts_action sts_decide(enum sts_announcement announcement, const char *id, const struct sts_entry *kept, int64_t now)
{
    if (kept == NULL)
        return announcement == STS_ANNOUNCED ? STS_FETCH : STS_NOTHING;
    if (announcement == STS_ANNOUNCED && !string_equal(id, kept->id))
        return STS_FETCH;
    return sts_entry_is_due(kept, now) ? STS_REFRESH : STS_USE;
}
