#include "cli/queue_tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/queue_print.h"
#include "cli/queue_selection.h"
#include "util/base/memory.h"
#include "util/base/text.h"

struct row {
    const char *key;
    size_t messages, last_message; /* the one that counted last */
    int64_t bytes, oldest;
    const char *reason; /* of the oldest; while that has none, of another */
};

static const char *const key_names[TALLY_KEYS] = {"sender", "recipient", "domain", "reason"};

enum tally_key queue_tally_key(const char *name)
{
    enum tally_key key = 0;

    while (key < TALLY_KEYS && !string_equal(name, key_names[key]))
        key++;
    return key;
}

void queue_tally_start(struct queue_tally *tally, enum tally_key key, const char *only)
{
    *tally = (struct queue_tally){.key = key, .only = only, .arena = arena_new(), .rows = map_new()};
}

void queue_tally_end(struct queue_tally *tally)
{
    map_free(tally->rows);
    arena_free(tally->arena);
}

/* ---- counting ---- */

static struct row *find_row(struct queue_tally *tally, const char *key)
{
    struct row *row = map_get(tally->rows, key);

    if (row != NULL)
        return row;
    row = arena_alloc(tally->arena, sizeof *row);
    row->key = arena_copy(tally->arena, key);
    row->oldest = INT64_MAX;
    row->reason = "";
    map_set(tally->rows, row->key, row);
    return row;
}

static void take_reason(struct queue_tally *tally, struct row *row, const char *reason)
{
    bool oldest = tally->arrival_time <= row->oldest;

    if (*reason == '\0' || (!oldest && *row->reason != '\0'))
        return;
    if (!string_equal(row->reason, reason))
        row->reason = arena_copy(tally->arena, reason);
}

static void count(struct queue_tally *tally, const char *key, const char *reason)
{
    struct row *row = find_row(tally, key);

    take_reason(tally, row, reason);
    if (tally->arrival_time < row->oldest)
        row->oldest = tally->arrival_time;
    if (row->last_message == tally->messages)
        return;
    row->last_message = tally->messages;
    row->messages++;
    row->bytes += tally->size;
}

/* No domain is longer than 255 bytes (RFC 1035 section 2.3.4). */
static void count_domain(struct queue_tally *tally, const struct listed_recipient *recipient)
{
    char domain[256];

    snprintf(domain, sizeof domain, "%s", queue_selection_domain(recipient->address));
    ascii_lower_string(domain);
    if (tally->only == NULL || string_equal_ignore_case(tally->only, domain))
        count(tally, *domain != '\0' ? domain : "-", recipient->reason);
}

static void tally_recipient(struct queue_tally *tally, const struct listed_recipient *recipient)
{
    if (tally->key == TALLY_RECIPIENT)
        count(tally, recipient->address, "");
    else if (tally->key == TALLY_DOMAIN)
        count_domain(tally, recipient);
    else if (tally->key == TALLY_REASON && *recipient->reason != '\0')
        count(tally, recipient->reason, "");
}

static bool tally_message(void *context, const struct listed_message *message)
{
    struct queue_tally *tally = context;

    tally->messages++;
    tally->size = message->size;
    tally->arrival_time = message->arrival_time;
    if (tally->key == TALLY_SENDER)
        count(tally, message->sender, "");
    for (size_t i = 0; i < message->recipient_count; i++)
        tally_recipient(tally, &message->recipients[i]);
    return true;
}

struct queue_listing queue_tally_listing(struct queue_tally *tally)
{
    return (struct queue_listing){tally_message, tally};
}

/* ---- printing ---- */

static int most_first(const void *left, const void *right)
{
    const struct row *a = *(const struct row *const *)left, *b = *(const struct row *const *)right;

    if (a->messages != b->messages)
        return a->messages < b->messages ? 1 : -1;
    return strcmp(a->key, b->key);
}

/* The caller frees. */
static struct row **sorted(const struct queue_tally *tally)
{
    struct row **rows = memory_new((map_count(tally->rows) + 1) * sizeof *rows);
    size_t position = 0, i = 0;
    const char *key;
    void *value;

    while (map_next(tally->rows, &position, &key, &value))
        rows[i++] = value;
    qsort(rows, i, sizeof *rows, most_first);
    return rows;
}

static void print_oldest_json(const struct row *row, bool suspended)
{
    putchar('{');
    queue_print_member("domain", row->key);
    printf(", \"messages\": %zu, \"oldest_arrival_time\": %lld, ", row->messages, (long long)row->oldest);
    queue_print_member("reason", row->reason);
    puts(suspended ? ", \"suspended\": true}" : "}");
}

void queue_tally_print_oldest(const struct queue_tally *tally, bool json, const struct map *suspended)
{
    struct row **rows = sorted(tally);

    for (struct row **at = rows; *at != NULL; at++) {
        const struct row *row = *at;
        bool stopped = map_get(suspended, row->key) != NULL;
        char stamp[QUEUE_PRINT_TIME_SIZE];

        if (json)
            print_oldest_json(row, stopped);
        else
            printf("%s %zu %s %s%s\n", row->key, row->messages, queue_print_time(row->oldest, stamp),
                   stopped ? "(suspended) " : "", row->reason);
    }
    free(rows);
}

void queue_tally_print_top(const struct queue_tally *tally, bool json, size_t limit)
{
    struct row **rows = sorted(tally);

    for (struct row **at = rows; *at != NULL && limit > 0; at++, limit--) {
        const struct row *row = *at;

        if (json) {
            putchar('{');
            queue_print_member(key_names[tally->key], row->key);
            printf(", \"messages\": %zu, \"bytes\": %lld}\n", row->messages, (long long)row->bytes);
        } else {
            printf("%8zu %12lld %s\n", row->messages, (long long)row->bytes, row->key);
        }
    }
    free(rows);
}
