#include <stdlib.h>

#include "util/base/map.h"
#include "util/base/memory.h"
#include "util/task/channel.h"

struct channel_pool {
    char *path, *protocol;
    struct channel **idle;
    size_t idle_count, idle_limit;
    struct channel *shared;
    bool connecting; /* a task is making the shared channel */
    struct task_condition connected;
};

struct channel_pool *channel_pool_new(const char *path, const char *protocol, size_t idle_limit)
{
    struct channel_pool *pool = memory_new(sizeof *pool);

    pool->path = memory_copy_string(path);
    pool->protocol = memory_copy_string(protocol);
    pool->idle = memory_new(idle_limit * sizeof *pool->idle);
    pool->idle_limit = idle_limit;
    task_condition_init(&pool->connected);
    return pool;
}

void channel_pool_free(struct channel_pool *pool)
{
    while (pool->idle_count > 0)
        channel_close(pool->idle[--pool->idle_count]);
    if (pool->shared != NULL)
        channel_close(pool->shared);
    free(pool->idle);
    free(pool->path);
    free(pool->protocol);
    free(pool);
}

struct channel *channel_pool_lease(struct channel_pool *pool, struct deadline deadline, struct error *error)
{
    while (pool->idle_count > 0) {
        struct channel *channel = pool->idle[--pool->idle_count];

        if (channel_alive(channel))
            return channel;
        channel_close(channel);
    }
    return channel_connect(pool->path, pool->protocol, deadline, error);
}

void channel_pool_return(struct channel_pool *pool, struct channel *channel)
{
    if (channel_alive(channel) && pool->idle_count < pool->idle_limit)
        pool->idle[pool->idle_count++] = channel;
    else
        channel_close(channel);
}

struct channel *channel_pool_shared(struct channel_pool *pool, struct deadline deadline, struct error *error)
{
    while (pool->connecting)
        if (task_condition_wait(&pool->connected, deadline) != WAIT_READY) {
            error_set(error, "connect to %s: timed out", pool->path);
            return NULL;
        }
    if (pool->shared != NULL && channel_alive(pool->shared))
        return pool->shared;
    if (pool->shared != NULL)
        channel_close(pool->shared);
    pool->connecting = true;
    pool->shared = channel_connect(pool->path, pool->protocol, deadline, error);
    pool->connecting = false;
    task_condition_wake_all(&pool->connected);
    return pool->shared;
}

/* ---- pools of the process, beside its one loop ---- */

static struct {
    struct map *pools; /* by path */
} process;

static void free_pool(void *pool)
{
    channel_pool_free(pool);
}

struct channel_pool *channel_pool_process(const char *path, const char *protocol)
{
    struct channel_pool *pool;

    if (process.pools == NULL)
        process.pools = map_new();
    pool = map_get(process.pools, path);
    if (pool == NULL) {
        pool = channel_pool_new(path, protocol, 0);
        map_set(process.pools, path, pool);
    }
    return pool;
}

void channel_pool_process_end(void)
{
    if (process.pools != NULL)
        map_free_with(process.pools, free_pool);
    process.pools = NULL;
}
