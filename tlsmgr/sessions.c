#include <stdlib.h>
#include <string.h>

#include "tlsmgr/tlsmgr.h"
#include "util/base/list.h"
#include "util/base/map.h"
#include "util/base/memory.h"

struct stored_session {
    struct link link;
    char *key; /* "cache id" */
    char *session;
    struct deadline good_until;
};

struct session_store {
    size_t limit;
    struct map *by_key;
    struct list by_use; /* the last used first */
};

struct session_store *session_store_new(size_t limit)
{
    struct session_store *store = memory_new(sizeof *store);

    store->limit = limit;
    store->by_key = map_new();
    list_init(&store->by_use);
    return store;
}

static void forget(struct session_store *store, struct stored_session *stored)
{
    map_remove(store->by_key, stored->key);
    list_remove(&store->by_use, &stored->link);
    explicit_bzero(stored->session, strlen(stored->session));
    free(stored->session);
    free(stored->key);
    free(stored);
}

void session_store_free(struct session_store *store)
{
    while (!list_empty(&store->by_use))
        forget(store, list_entry(list_first(&store->by_use), struct stored_session, link));
    map_free(store->by_key);
    free(store);
}

/* NULL: there is none, or not any more. */
static struct stored_session *find(struct session_store *store, const char *cache, const char *id)
{
    char *key = memory_format("%s %s", cache, id);
    struct stored_session *stored = map_get(store->by_key, key);

    free(key);
    if (stored != NULL && deadline_passed(stored->good_until)) {
        forget(store, stored);
        return NULL;
    }
    return stored;
}

void session_store_put(struct session_store *store, const char *cache, const char *id, const char *session,
                       duration lifetime)
{
    struct stored_session *stored = find(store, cache, id);

    if (stored != NULL)
        forget(store, stored);
    if (*session == '\0' || lifetime <= 0)
        return;
    stored = memory_new(sizeof *stored);
    stored->key = memory_format("%s %s", cache, id);
    stored->session = memory_copy_string(session);
    stored->good_until = deadline_in(lifetime);
    map_set(store->by_key, stored->key, stored);
    list_prepend(&store->by_use, &stored->link);
    if (store->by_use.count > store->limit)
        forget(store, list_entry(store->by_use.root.previous, struct stored_session, link));
}

const char *session_store_find(struct session_store *store, const char *cache, const char *id)
{
    struct stored_session *stored = find(store, cache, id);

    if (stored == NULL)
        return NULL;
    list_remove(&store->by_use, &stored->link);
    list_prepend(&store->by_use, &stored->link);
    return stored->session;
}

size_t session_store_count(const struct session_store *store)
{
    return store->by_use.count;
}
