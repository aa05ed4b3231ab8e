/* config_internal - what the sources of mail/config know about struct config, and nobody else. */
#ifndef MAIL_CONFIG_CONFIG_INTERNAL_H
#define MAIL_CONFIG_CONFIG_INTERNAL_H

#include "mail/config/config.h"
#include "util/base/arena.h"
#include "util/base/map.h"

struct setting {
    const char *name;
    const char *value; /* as written, one line */
    int line;          /* in main.cf; 0: an override */
    bool in_order;     /* it stands in struct config's list */
};

struct config {
    const char *directory, *path;
    struct arena *memory;      /* every string handed out; kept until the end */
    struct map *settings;      /* name -> struct setting: overrides and main.cf */
    struct setting **in_order; /* main.cf's, as it has them, the last of each name */
    size_t order_count;
    struct map *expanded;      /* name -> const char *: a cache */
    struct map *computing;     /* names whose defaults are being computed: they stand for nothing meanwhile */
};

/* Sets a name; main.cf's parser and overrides both end here. line 0: an override. */
void config_set(struct config *config, const char *name, const char *value, int line);

/* Splits "name = value" in place. False: no `=`, or no name before it; the error says which. */
bool config_split(char *assignment, char **name, char **value, struct error *error);

/* Appends the expanded text of a name, "" when nobody knows it. */
bool config_append_value(const struct config *config, const char *name, int depth, struct text *result,
                         struct error *error);

/* Checks and converts one value; the error says what is wrong and what would be right. */
struct parameter_value {
    bool boolean;
    long number;
    duration time;
};
bool config_convert(const struct parameter *parameter, const char *text, struct parameter_value *value,
                    struct error *error);

#endif
