/* queue_suspend - postqueue --suspend, --resume and --suspended: destinations that are left alone for a while. */
#ifndef CLI_QUEUE_SUSPEND_H
#define CLI_QUEUE_SUSPEND_H

#include "cli/queue_command.h"
#include "util/base/arena.h"
#include "util/base/map.h"

struct queue_suspension {
    int64_t until; /* seconds since 1970; 0: until it is resumed */
};

/* length: microseconds, 0: until it is resumed. Both exit when it could not be done. */
void queue_suspend(const struct queue_command *command, const char *domain, duration length);
void queue_resume(const struct queue_command *command, const char *domain);

/* What is suspended, by name, in memory of the arena; empty when the queue manager does not answer soon. The caller
 * frees the map. required: exits in place of that. */
struct map *queue_suspended(const struct queue_command *command, struct arena *arena, bool required);

/* A line for each, in alphabetical order: "DOMAIN until ARRIVAL". */
void queue_suspend_print(const struct map *suspended, const char *prefix);
void queue_suspend_print_json(const struct map *suspended);

#endif
