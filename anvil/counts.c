#include "anvil/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"

enum { IDENT_SIZE = 100, WHEN_SIZE = 32 };

/* The greatest figure of its sort. */
struct record {
    int64_t value;
    char ident[IDENT_SIZE];
    char when[WHEN_SIZE];
};

struct anvil_client {
    char *ident;
    int64_t window; /* its begin */
    int64_t connections;
    int64_t rates[ANVIL_KINDS];
};

struct anvil_counts {
    duration unit;
    size_t limit;
    struct map *clients;
    struct record rates[ANVIL_KINDS], connections, clients_record;
};

static const char *const words[ANVIL_KINDS] = {
    [ANVIL_CONNECTION] = "connection", [ANVIL_MESSAGE] = "message", [ANVIL_RECIPIENT] = "recipient",
    [ANVIL_NEW_TLS] = "newtls",        [ANVIL_AUTH] = "auth",
};

struct anvil_counts *anvil_counts_new(duration unit, size_t limit)
{
    struct anvil_counts *counts = memory_new(sizeof *counts);

    counts->unit = unit;
    counts->limit = limit;
    counts->clients = map_new();
    return counts;
}

static void client_free(void *client)
{
    free(((struct anvil_client *)client)->ident);
    free(client);
}

void anvil_counts_free(struct anvil_counts *counts)
{
    map_free_with(counts->clients, client_free);
    free(counts);
}

static void keep_record(struct record *record, int64_t value, const char *ident)
{
    time_t now = time(NULL);
    struct tm local;

    if (value <= record->value)
        return;
    record->value = value;
    snprintf(record->ident, sizeof record->ident, "%s", ident);
    strftime(record->when, sizeof record->when, "%b %e %H:%M:%S", localtime_r(&now, &local));
}

/* ---- windows ---- */

static bool window_is_over(const struct anvil_counts *counts, const struct anvil_client *client, int64_t now)
{
    return now - client->window >= counts->unit;
}

static void turn_window(const struct anvil_counts *counts, struct anvil_client *client, int64_t now)
{
    if (!window_is_over(counts, client, now))
        return;
    client->window = now;
    for (size_t i = 0; i < ANVIL_KINDS; i++)
        client->rates[i] = 0;
}

static void forget(struct anvil_counts *counts, struct anvil_client *client)
{
    map_remove(counts->clients, client->ident);
    client_free(client);
}

void anvil_counts_sweep(struct anvil_counts *counts, int64_t now)
{
    const char **idents = map_sorted_keys(counts->clients);
    size_t count = map_count(counts->clients);

    for (size_t i = 0; i < count; i++) {
        struct anvil_client *client = map_get(counts->clients, idents[i]);

        if (client->connections == 0 && window_is_over(counts, client, now))
            forget(counts, client);
    }
    free(idents);
}

size_t anvil_counts_clients(const struct anvil_counts *counts)
{
    return map_count(counts->clients);
}

/* ---- events ---- */

static struct anvil_client *add_client(struct anvil_counts *counts, const char *ident, int64_t now)
{
    struct anvil_client *client;

    if (map_count(counts->clients) >= counts->limit)
        return NULL;
    client = memory_new(sizeof *client);
    client->ident = memory_copy_string(ident);
    client->window = now;
    map_set(counts->clients, ident, client);
    keep_record(&counts->clients_record, (int64_t)map_count(counts->clients), ident);
    return client;
}

struct anvil_client *anvil_connect(struct anvil_counts *counts, const char *ident, int64_t now)
{
    struct anvil_client *client = map_get(counts->clients, ident);

    if (client == NULL)
        client = add_client(counts, ident, now);
    if (client == NULL)
        return NULL;
    client->connections++;
    keep_record(&counts->connections, client->connections, ident);
    anvil_note(counts, client, ANVIL_CONNECTION, now);
    return client;
}

void anvil_disconnect(struct anvil_counts *counts, struct anvil_client *client, int64_t now)
{
    client->connections--;
    if (client->connections == 0 && window_is_over(counts, client, now))
        forget(counts, client);
}

int64_t anvil_note(struct anvil_counts *counts, struct anvil_client *client, enum anvil_kind kind, int64_t now)
{
    turn_window(counts, client, now);
    keep_record(&counts->rates[kind], ++client->rates[kind], client->ident);
    return client->rates[kind];
}

int64_t anvil_rate(struct anvil_counts *counts, struct anvil_client *client, enum anvil_kind kind, int64_t now)
{
    turn_window(counts, client, now);
    return client->rates[kind];
}

int64_t anvil_connections(const struct anvil_client *client)
{
    return client->connections;
}

/* ---- what there was ---- */

void anvil_counts_report(struct anvil_counts *counts)
{
    const struct record *connections = &counts->connections, *clients = &counts->clients_record;
    long seconds = (long)(counts->unit / SECONDS);

    for (size_t i = 0; i < ANVIL_KINDS; i++) {
        const struct record *rate = &counts->rates[i];

        if (rate->value > 0)
            log_info(NULL, "statistics: max %s rate %lld/%lds for (%s) at %s", words[i], (long long)rate->value, seconds,
                     rate->ident, rate->when);
        if (i == ANVIL_CONNECTION && connections->value > 0)
            log_info(NULL, "statistics: max connection count %lld for (%s) at %s", (long long)connections->value,
                     connections->ident, connections->when);
    }
    if (clients->value > 0)
        log_info(NULL, "statistics: max cache size %lld at %s", (long long)clients->value, clients->when);
    for (size_t i = 0; i < ANVIL_KINDS; i++)
        counts->rates[i].value = 0;
    counts->connections.value = counts->clients_record.value = 0;
}
