/* queue_print - the queue as people (mailq) and as programs (JSON lines) read it. */
#ifndef CLI_QUEUE_PRINT_H
#define CLI_QUEUE_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/queue/queue_listing.h"
#include "util/base/map.h"
#include "util/base/text.h"

struct queue_print {
    bool json, long_ids; /* wider columns */
    bool selective;      /* an empty list does not mean that the queue is empty */
    const struct map *suspended; /* domains to struct queue_suspension (queue_suspend.h) */
    size_t messages;
    int64_t bytes;
    struct text reason; /* of the recipient before */
};

/* Prints to stdout. */
struct queue_listing queue_print_listing(struct queue_print *print);

/* After the last message: the totals. */
void queue_print_end(struct queue_print *print);

/* "name": "value", as JSON. */
void queue_print_member(const char *name, const char *value);

/* Local time as 2012-07-31T12:43:46. */
enum { QUEUE_PRINT_TIME_SIZE = 40 };
const char *queue_print_time(int64_t seconds, char stamp[QUEUE_PRINT_TIME_SIZE]);

#endif
