/* queue_tally - the queue in figures: postqueue --oldest and --top. */
#ifndef CLI_QUEUE_TALLY_H
#define CLI_QUEUE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/queue/queue_listing.h"
#include "util/base/arena.h"
#include "util/base/map.h"

enum tally_key { TALLY_SENDER, TALLY_RECIPIENT, TALLY_DOMAIN, TALLY_REASON, TALLY_KEYS };

/* TALLY_KEYS: not a name of one. */
enum tally_key queue_tally_key(const char *name);

struct queue_tally {
    enum tally_key key;
    const char *only; /* the one domain that is asked for; NULL: all */
    struct arena *arena;
    struct map *rows;
    size_t messages; /* seen: a message counts once in a row */
    int64_t size, arrival_time; /* of the message at hand */
};

void queue_tally_start(struct queue_tally *tally, enum tally_key key, const char *only);
struct queue_listing queue_tally_listing(struct queue_tally *tally);
void queue_tally_end(struct queue_tally *tally);

/* A line for each row, most messages first. oldest: "KEY MESSAGES ARRIVAL REASON"; top: "MESSAGES BYTES KEY". */
void queue_tally_print_oldest(const struct queue_tally *tally, bool json, const struct map *suspended);
void queue_tally_print_top(const struct queue_tally *tally, bool json, size_t limit);

#endif
