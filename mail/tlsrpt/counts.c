#include "mail/tlsrpt/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/memory.h"
#include "util/net/crypto.h"
#include "util/table/store.h"

/* Rows of failures have some hundred bytes: two periods' fit by far. */
enum { STORE_SIZE = 256 * 1024 * 1024, ROWS_A_PERIOD = 50000, POLICIES_A_DOMAIN = 8, LINES_A_POLICY = 100 };
enum { TEXT_LIMIT = 255, LINE_LIMIT = 1000, DOMAIN_LIMIT = 253, HASH_SIZE = 8, ID_SIZE = 16 };

struct tlsrpt_counts {
    struct store *store;
    struct tlsrpt_limits limits;
};

/* ---- opening ---- */

static char *store_path(const char *data_directory)
{
    return memory_format("%s/tlsrpt.lmdb", data_directory);
}

bool tlsrpt_counts_exist(const char *data_directory)
{
    char *path = store_path(data_directory);
    bool exist = access(path, F_OK) == 0;

    free(path);
    return exist;
}

static struct tlsrpt_counts *counts_new(struct store *store)
{
    struct tlsrpt_counts *counts;

    if (store == NULL)
        return NULL;
    counts = memory_new(sizeof *counts);
    counts->store = store;
    return counts;
}

struct tlsrpt_counts *tlsrpt_counts_open(const char *data_directory, const struct tlsrpt_limits *limits, struct error *error)
{
    char *path = store_path(data_directory);
    struct tlsrpt_counts *counts = counts_new(store_open(path, STORE_SIZE, true, error));

    if (counts != NULL)
        counts->limits = *limits;
    free(path);
    return counts;
}

struct tlsrpt_counts *tlsrpt_counts_open_to_read(const char *data_directory, struct error *error)
{
    char *path = store_path(data_directory);
    struct tlsrpt_counts *counts = counts_new(store_open_to_read(path, error));

    free(path);
    return counts;
}

void tlsrpt_counts_close(struct tlsrpt_counts *counts)
{
    if (counts == NULL)
        return;
    store_close(counts->store);
    free(counts);
}

/* ---- rows ---- */

static void append_hexadecimal(struct text *out, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_append_format(out, "%02x", bytes[i]);
}

/* Of a row while nothing has been counted in it. */
static void append_hash(struct text *out, const struct ipc_message *kind, const void *row)
{
    unsigned char digest[CRYPTO_SHA256_SIZE];
    struct text encoded = {0};

    ipc_encode(&encoded, kind, row);
    crypto_sha256(text_string(&encoded), encoded.length, digest);
    append_hexadecimal(out, digest, HASH_SIZE);
    text_free(&encoded);
}

static char *row_key(const char *kind, const struct tlsrpt_domain *domain, const char *rest, struct arena *arena)
{
    return arena_format(arena, "%s/%012lld/%s%s", kind, (long long)domain->start, domain->domain, rest);
}

/* False with an empty error: there is none. One that cannot be decoded is as good as none. */
static bool get_row(struct tlsrpt_counts *counts, const char *key, const struct ipc_message *kind, void *row, struct arena *arena,
                    struct error *error)
{
    struct text value = {0};
    bool found = store_get(counts->store, key, &value, error) &&
                 ipc_decode(text_string(&value), value.length, kind, row, arena);

    text_free(&value);
    return found;
}

static bool put_row(struct tlsrpt_counts *counts, const char *key, const struct ipc_message *kind, const void *row,
                    struct error *error)
{
    struct text value = {0};
    bool put;

    ipc_encode(&value, kind, row);
    put = store_put(counts->store, key, text_string(&value), value.length, error);
    text_free(&value);
    return put;
}

/* ---- one result ---- */

struct addition {
    struct tlsrpt_counts *counts;
    const struct tlsrpt_result *result;
    struct arena *arena;
    struct error *error;
    struct tlsrpt_period period;
    struct tlsrpt_domain domain;
    struct tlsrpt_policy policy;
    bool over; /* some limit */
};

static const char *cut(const char *string, size_t limit, struct arena *arena)
{
    size_t length = strlen(string);

    return length <= limit ? string : arena_copy_bytes(arena, string, limit);
}

static struct ipc_strings cut_all(const struct ipc_strings *strings, struct arena *arena)
{
    struct ipc_strings kept = {.count = strings->count < LINES_A_POLICY ? strings->count : LINES_A_POLICY};

    kept.items = arena_alloc(arena, (kept.count + 1) * sizeof *kept.items);
    for (size_t i = 0; i < kept.count; i++)
        kept.items[i] = cut(strings->items[i], LINE_LIMIT, arena);
    return kept;
}

/* Whether it can be the name of a row, and be asked for in DNS. */
static bool is_domain(const char *name)
{
    size_t length = strlen(name);

    for (const char *at = name; *at != '\0'; at++)
        if (!ascii_is_alpha(*at) && !ascii_is_digit(*at) && strchr("-._", *at) == NULL)
            return false;
    return length > 0 && length <= DOMAIN_LIMIT;
}

static const char *new_id(struct arena *arena)
{
    unsigned char bytes[ID_SIZE];
    struct text id = {0};
    const char *copy;

    crypto_random(bytes, sizeof bytes);
    append_hexadecimal(&id, bytes, sizeof bytes);
    copy = arena_copy(arena, text_string(&id));
    text_free(&id);
    return copy;
}

/* Another row of this period; false: there are enough. */
static bool room_for_row(struct addition *addition)
{
    addition->over = addition->over || addition->period.rows >= ROWS_A_PERIOD;
    if (!addition->over)
        addition->period.rows++;
    return !addition->over;
}

static bool find_domain(struct addition *addition, int64_t now)
{
    const struct tlsrpt_limits *limits = &addition->counts->limits;
    char *name = arena_copy(addition->arena, addition->result->domain);
    const char *key;

    ascii_lower_string(name);
    addition->domain = (struct tlsrpt_domain){.start = now / limits->period * limits->period, .domain = name};
    key = arena_format(addition->arena, "period/%012lld", (long long)addition->domain.start);
    if (!get_row(addition->counts, key, &ipc_tlsrpt_period, &addition->period, addition->arena, addition->error))
        addition->period = (struct tlsrpt_period){0};
    key = row_key("domain", &addition->domain, "", addition->arena);
    if (get_row(addition->counts, key, &ipc_tlsrpt_domain, &addition->domain, addition->arena, addition->error))
        return true;
    addition->over = addition->period.domains >= limits->domains;
    if (addition->over)
        return false;
    addition->period.domains++;
    addition->domain.start = now / limits->period * limits->period;
    addition->domain.end = addition->domain.start + limits->period;
    addition->domain.domain = name;
    addition->domain.id = new_id(addition->arena);
    return true;
}

/* The rest of a policy's key. NULL: there are enough of them. */
static const char *find_policy(struct addition *addition)
{
    const struct tlsrpt_result *result = addition->result;
    struct tlsrpt_policy policy = {.type = result->policy_type,
                                   .lines = cut_all(&result->policy_lines, addition->arena),
                                   .mx_patterns = cut_all(&result->mx_patterns, addition->arena)};
    struct text hash = {0};
    const char *rest;

    append_hash(&hash, &ipc_tlsrpt_policy, &policy);
    rest = arena_format(addition->arena, "/%s", text_string(&hash));
    text_free(&hash);
    if (get_row(addition->counts, row_key("policy", &addition->domain, rest, addition->arena), &ipc_tlsrpt_policy,
                &addition->policy, addition->arena, addition->error))
        return rest;
    addition->policy = policy;
    addition->over = addition->domain.policies >= POLICIES_A_DOMAIN;
    if (!room_for_row(addition))
        return NULL;
    addition->domain.policies++;
    return rest;
}

/* Failures whose kind has no room are in the sum all the same. */
static bool count_failure(struct addition *addition, const char *policy_rest)
{
    const struct tlsrpt_result *result = addition->result;
    struct arena *arena = addition->arena;
    struct tlsrpt_failure failure = {.failure = result->failure,
                                     .sending_address = cut(result->sending_address, TEXT_LIMIT, arena),
                                     .receiving_host = cut(result->receiving_host, TEXT_LIMIT, arena),
                                     .receiving_address = cut(result->receiving_address, TEXT_LIMIT, arena),
                                     .receiving_helo = cut(result->receiving_helo, TEXT_LIMIT, arena),
                                     .reason = cut(result->reason, TEXT_LIMIT, arena),
                                     .additional = cut(result->additional, TEXT_LIMIT, arena)};
    struct text hash = {0};
    const char *key;

    append_hash(&hash, &ipc_tlsrpt_failure, &failure);
    key = row_key("failure", &addition->domain, arena_format(arena, "%s/%s", policy_rest, text_string(&hash)), arena);
    text_free(&hash);
    addition->policy.failures++;
    if (!get_row(addition->counts, key, &ipc_tlsrpt_failure, &failure, arena, addition->error)) {
        failure.failure = result->failure;
        if (addition->policy.rows >= addition->counts->limits.failures || !room_for_row(addition)) {
            addition->over = false;
            addition->policy.unlisted++;
            return true;
        }
        addition->policy.rows++;
    }
    failure.count++;
    return put_row(addition->counts, key, &ipc_tlsrpt_failure, &failure, addition->error);
}

/* False: the store does not take it. */
static bool count_in_policy(struct addition *addition, const char *rest)
{
    const char *key = row_key("policy", &addition->domain, rest, addition->arena);

    if (addition->result->failure == TLS_FAILURE_NONE)
        addition->policy.successes++;
    else if (!count_failure(addition, rest))
        return false;
    return put_row(addition->counts, key, &ipc_tlsrpt_policy, &addition->policy, addition->error) &&
           tlsrpt_counts_save(addition->counts, &addition->domain, addition->error);
}

static bool add_one(struct addition *addition, int64_t now)
{
    const char *rest = find_domain(addition, now) ? find_policy(addition) : NULL;
    const char *key = arena_format(addition->arena, "period/%012lld", (long long)addition->domain.start);

    if (rest == NULL)
        return true;
    return count_in_policy(addition, rest) &&
           put_row(addition->counts, key, &ipc_tlsrpt_period, &addition->period, addition->error);
}

static bool add_all(struct tlsrpt_counts *counts, const struct tlsrpt_result *const *results, size_t count, int64_t now,
                    size_t *uncounted, struct error *error)
{
    struct arena *arena = arena_new();
    bool good = true;

    for (size_t i = 0; good && i < count; i++) {
        struct addition addition = {.counts = counts, .result = results[i], .arena = arena, .error = error};

        addition.over = !is_domain(results[i]->domain);
        good = addition.over || add_one(&addition, now);
        *uncounted += addition.over;
        arena_clear(arena);
    }
    arena_free(arena);
    return good;
}

bool tlsrpt_counts_add(struct tlsrpt_counts *counts, const struct tlsrpt_result *const *results, size_t count, int64_t now,
                       size_t *uncounted, struct error *error)
{
    struct error ignored;
    bool good;

    *uncounted = 0;
    if (!store_begin(counts->store, error))
        return false;
    good = add_all(counts, results, count, now, uncounted, error);
    /* After a change that failed the batch fails as well, for the same reason. */
    return store_commit(counts->store, good ? error : &ignored) && good;
}

/* ---- what is there ---- */

struct domain_walk {
    struct arena *arena;
    tlsrpt_domain_fn *function;
    void *context;
};

static bool pass_domain(void *context, const char *key, const void *bytes, size_t length)
{
    struct domain_walk *walk = context;
    struct tlsrpt_domain domain;
    bool more = true;

    (void)key;
    if (ipc_decode(bytes, length, &ipc_tlsrpt_domain, &domain, walk->arena) && is_domain(domain.domain))
        more = walk->function(walk->context, &domain);
    arena_clear(walk->arena);
    return more;
}

bool tlsrpt_counts_each(struct tlsrpt_counts *counts, tlsrpt_domain_fn *function, void *context, struct error *error)
{
    struct domain_walk walk = {arena_new(), function, context};
    bool good = store_each(counts->store, "domain/", pass_domain, &walk, error);

    arena_free(walk.arena);
    return good;
}

struct reading {
    struct tlsrpt_counts *counts;
    struct arena *arena;
    struct error *error;
    struct tlsrpt_policy_counts *policies;
    size_t count;
    bool failed;
};

static bool add_failure(void *context, const char *key, const void *bytes, size_t length)
{
    struct reading *reading = context;
    struct tlsrpt_policy_counts *policy = &reading->policies[reading->count];

    (void)key;
    if (ipc_decode(bytes, length, &ipc_tlsrpt_failure, &policy->failures[policy->count], reading->arena))
        policy->count++;
    return (int64_t)policy->count < policy->policy.rows;
}

static bool add_policy(void *context, const char *key, const void *bytes, size_t length)
{
    struct reading *reading = context;
    struct tlsrpt_policy_counts *policy = &reading->policies[reading->count];
    const char *prefix = arena_format(reading->arena, "failure/%s/", key + strlen("policy/"));

    if (!ipc_decode(bytes, length, &ipc_tlsrpt_policy, &policy->policy, reading->arena))
        return true;
    if (policy->policy.rows > 0 && policy->policy.rows <= ROWS_A_PERIOD) {
        policy->failures = arena_alloc(reading->arena, (size_t)policy->policy.rows * sizeof *policy->failures);
        reading->failed = !store_each(reading->counts->store, prefix, add_failure, reading, reading->error);
    }
    reading->count++;
    return !reading->failed && reading->count < POLICIES_A_DOMAIN;
}

bool tlsrpt_counts_read(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, struct arena *arena,
                        struct tlsrpt_policy_counts **policies, size_t *count, struct error *error)
{
    struct reading reading = {.counts = counts, .arena = arena, .error = error};
    bool good;

    reading.policies = arena_alloc(arena, POLICIES_A_DOMAIN * sizeof *reading.policies);
    good = store_each(counts->store, row_key("policy", domain, "/", arena), add_policy, &reading, error);
    *policies = reading.policies;
    *count = reading.count;
    return good && !reading.failed;
}

/* ---- afterwards ---- */

bool tlsrpt_counts_save(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, struct error *error)
{
    struct arena *arena = arena_new();
    bool saved = put_row(counts, row_key("domain", domain, "", arena), &ipc_tlsrpt_domain, domain, error);

    arena_free(arena);
    return saved;
}

/* Keys of rows that go together: a batch cannot walk, so they are noted first. */
struct removal {
    struct arena *arena;
    struct ipc_strings keys;
    size_t room;
    const char *until; /* only keys before this one; NULL: all */
};

static bool note_key(void *context, const char *key, const void *bytes, size_t length)
{
    struct removal *removal = context;

    (void)bytes, (void)length;
    if (removal->until != NULL && strcmp(key, removal->until) >= 0)
        return false;
    if (removal->keys.count == removal->room) {
        const char **more = arena_alloc(removal->arena, (removal->room = 2 * removal->room + 16) * sizeof *more);

        if (removal->keys.count > 0)
            memcpy(more, removal->keys.items, removal->keys.count * sizeof *more);
        removal->keys.items = more;
    }
    removal->keys.items[removal->keys.count++] = arena_copy(removal->arena, key);
    return true;
}

static bool remove_noted(struct tlsrpt_counts *counts, const struct removal *removal, struct error *error)
{
    bool good = store_begin(counts->store, error);

    if (!good)
        return false;
    for (size_t i = 0; good && i < removal->keys.count; i++)
        good = store_remove(counts->store, removal->keys.items[i], error);
    return store_commit(counts->store, error) && good;
}

bool tlsrpt_counts_forget(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, struct error *error)
{
    struct removal removal = {.arena = arena_new()};
    bool good = store_each(counts->store, row_key("failure", domain, "/", removal.arena), note_key, &removal, error) &&
                store_each(counts->store, row_key("policy", domain, "/", removal.arena), note_key, &removal, error);

    if (good)
        good = note_key(&removal, row_key("domain", domain, "", removal.arena), NULL, 0);
    removal.until = arena_format(removal.arena, "period/%012lld", (long long)domain->start);
    good = good && store_each(counts->store, "period/", note_key, &removal, error) && remove_noted(counts, &removal, error);
    arena_free(removal.arena);
    return good;
}
