#include "smtp/auth_cache.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/base64.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/crypto.h"
#include "util/table/table.h"
#include "util/task/offload.h"

struct auth_cache {
    const char *name;
    struct table *table;
    duration lifetime;
};

static void append_hash(const struct auth_cache_login *login, struct text *out)
{
    unsigned char digest[CRYPTO_SHA256_SIZE];
    struct text plain = {0};

    text_reserve(&plain, strlen(login->host) + strlen(login->username) + strlen(login->password) + 2);
    text_append_format(&plain, "%s;%s;%s", login->host, login->username, login->password);
    crypto_sha256(plain.data, plain.length, digest);
    text_wipe(&plain);
    base64_encode(digest, sizeof digest, out);
}

/* ---- writing ---- */

struct write {
    const char *name, *key, *value;
    bool good;
    struct error error;
};

/* One entry into the file (without a key, none): it is rewritten as a whole, which is all right for what is rare. */
static void write_entry(void *argument)
{
    struct write *write = argument;
    struct table_writer *writer = table_writer_open(write->name, TABLE_UPDATE, &write->error);
    bool was_there;

    write->good = writer != NULL;
    if (writer != NULL && write->key != NULL)
        write->good = table_writer_put(writer, write->key, write->value, TABLE_DUPLICATE_REPLACE, &was_there,
                                       &write->error);
    if (write->good)
        write->good = table_writer_commit(writer, &write->error);
    else if (writer != NULL)
        table_writer_abandon(writer);
}

struct auth_cache *auth_cache_open(const char *name, duration lifetime, struct error *error)
{
    struct auth_cache *cache;
    struct write empty = {0};
    struct table *table;

    if (string_starts(name, "proxy:"))
        name += strlen("proxy:");
    empty.name = name;
    write_entry(&empty);
    if (!empty.good) {
        *error = empty.error;
        return NULL;
    }
    table = table_open(name, error);
    if (table == NULL)
        return NULL;
    cache = memory_new(sizeof *cache);
    *cache = (struct auth_cache){name, table, lifetime};
    return cache;
}

static char *key_of(const struct auth_cache_login *login)
{
    char *key = memory_format("%s;%s", login->host, login->username);

    ascii_lower_string(key); /* as lookups have it */
    return key;
}

void auth_cache_remember(struct auth_cache *cache, const struct auth_cache_login *login, const char *dsn,
                         const char *text)
{
    struct text value = {0};
    char *key = key_of(login);
    struct write write = {.name = cache->name, .key = key};

    text_append_format(&value, "%lld;", (long long)(clock_wall() / SECONDS));
    append_hash(login, &value);
    text_append_format(&value, ";%s;%s", dsn, text);
    write.value = value.data;
    offload_run(write_entry, &write);
    if (!write.good)
        log_warning(NULL, "smtp_sasl_auth_cache_name: %s", write.error.text);
    text_free(&value);
    free(key);
}

/* ---- reading ---- */

/* The text of a value if it is about this login, and fresh. */
static const char *read_value(const struct auth_cache *cache, const struct auth_cache_login *login, char *value,
                              const char **dsn)
{
    const char *time = strsep(&value, ";"), *hash = strsep(&value, ";");
    int64_t age = clock_wall() - strtoll(time, NULL, 10) * SECONDS;
    struct text expected = {0};
    bool good;

    *dsn = strsep(&value, ";");
    append_hash(login, &expected);
    good = value != NULL && age >= 0 && age < cache->lifetime && strcmp(hash, text_string(&expected)) == 0;
    text_free(&expected);
    return good ? value : NULL;
}

const char *auth_cache_find(struct auth_cache *cache, const struct auth_cache_login *login, const char **dsn,
                            struct arena *arena)
{
    char *key = key_of(login);
    struct text value = {0};
    const char *found = NULL;
    struct error error;

    if (table_lookup(cache->table, key, &value, &error) == TABLE_FOUND)
        found = read_value(cache, login, arena_copy(arena, text_string(&value)), dsn);
    text_free(&value);
    free(key);
    return found;
}
