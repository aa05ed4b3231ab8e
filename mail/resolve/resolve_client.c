#include "mail/resolve/resolve_client.h"

#include <stdlib.h>

#include "util/base/map.h"
#include "util/base/memory.h"

enum { REMEMBERED_ANSWERS = 2000, ASKING_AT_ONCE = 32 };
#define REMEMBERED_TIME (30 * SECONDS)

struct resolve_client {
    const struct mail_config *mail;
    bool by_sender;
    struct channel_pool *pool;
    struct map *answers;   /* values in the arena below */
    struct arena *memory;
    struct deadline forget; /* all at once: simple, and never older than REMEMBERED_TIME */
};

static void forget_all(struct resolve_client *client)
{
    map_free(client->answers);
    arena_clear(client->memory);
    client->answers = map_new();
    client->forget = deadline_in(REMEMBERED_TIME);
}

bool resolve_depends_on_sender(const struct config *config)
{
    return *config_get(config, "sender_dependent_relayhost_maps") != '\0' ||
           *config_get(config, "sender_dependent_default_transport_maps") != '\0';
}

struct resolve_client *resolve_client_new(const struct mail_config *mail, bool by_sender)
{
    struct resolve_client *client = memory_new(sizeof *client);

    client->mail = mail;
    client->by_sender = by_sender;
    client->pool = channel_pool_new(IPC_SOCKET_REWRITE, IPC_PROTOCOL_REWRITE, 1);
    client->memory = arena_new();
    forget_all(client);
    return client;
}

void resolve_client_free(struct resolve_client *client)
{
    channel_pool_free(client->pool);
    map_free(client->answers);
    arena_free(client->memory);
    free(client);
}

static struct resolve_reply copy_reply(const struct resolve_reply *reply, struct arena *arena)
{
    return (struct resolve_reply){.transport = arena_copy(arena, reply->transport),
                                  .nexthop = arena_copy(arena, reply->nexthop),
                                  .recipient = arena_copy(arena, reply->recipient),
                                  .flags = reply->flags};
}

static void remember(struct resolve_client *client, const char *key, const struct resolve_reply *reply)
{
    struct resolve_reply *kept;

    if (map_count(client->answers) >= REMEMBERED_ANSWERS)
        forget_all(client);
    kept = arena_alloc(client->memory, sizeof *kept);
    *kept = copy_reply(reply, client->memory);
    map_set(client->answers, key, kept);
}

bool resolve_client_ask(struct resolve_client *client, const char *sender, const char *address, struct arena *arena,
                        struct resolve_reply *reply, struct error *error)
{
    const char *key = client->by_sender ? arena_format(arena, "%s\n%s", address, sender) : address;
    struct resolve_request request = {.sender = sender, .address = address};
    const struct resolve_reply *kept;

    if (deadline_passed(client->forget))
        forget_all(client);
    kept = map_get(client->answers, key);
    if (kept != NULL) {
        *reply = copy_reply(kept, arena);
        return true;
    }
    if (!ipc_ask(client->pool, &ipc_resolve_request, &request, &ipc_resolve_reply, reply, arena,
                 deadline_in(client->mail->ipc_timeout), error))
        return false;
    if ((reply->flags & RESOLVE_FAILED) == 0)
        remember(client, key, reply);
    return true;
}

/* ---- many ---- */

struct preparation {
    struct resolve_client *client;
    const char *sender;
    const char *const *addresses;
    size_t count, next, asking;
    struct task_condition done;
};

static void run_preparation(void *argument)
{
    struct preparation *preparation = argument;
    struct arena *arena = arena_new();

    while (preparation->next < preparation->count) {
        const char *address = preparation->addresses[preparation->next++];
        struct resolve_reply reply;
        struct error error;

        arena_clear(arena);
        resolve_client_ask(preparation->client, preparation->sender, address, arena, &reply, &error);
    }
    arena_free(arena);
    if (--preparation->asking == 0)
        task_condition_wake_one(&preparation->done);
}

void resolve_client_prepare(struct resolve_client *client, const char *sender, const char *const *addresses,
                            size_t count)
{
    struct preparation preparation = {.client = client, .sender = sender, .addresses = addresses, .count = count};

    if (map_count(client->answers) + count > REMEMBERED_ANSWERS)
        forget_all(client);
    task_condition_init(&preparation.done);
    preparation.asking = count < ASKING_AT_ONCE ? count : ASKING_AT_ONCE;
    for (size_t i = preparation.asking; i > 0; i--)
        task_start(run_preparation, &preparation);
    while (preparation.asking > 0)
        task_condition_wait_on(&preparation.done);
}
