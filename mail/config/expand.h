/* expand - the $name language of postconf(5), over any set of names.
 *
 * main.cf, bounce templates, rbl replies and command lines all use it with names of their own. */
#ifndef MAIL_CONFIG_EXPAND_H
#define MAIL_CONFIG_EXPAND_H

#include <stdbool.h>

#include "util/base/error.h"
#include "util/base/text.h"

enum { EXPAND_DEPTH_LIMIT = 50, EXPAND_RESULT_LIMIT = 1024 * 1024 };

/* What a name stands for. `is_set` decides ${name?x} and ${name:x}: whether the name has a text at all, before
 * expansion, that is not empty. `value` appends the name's text, already expanded; an undefined name appends nothing.
 * False ends the whole expansion. `depth` counts how deep the expansion already is. */
struct expand_names {
    bool (*is_set)(void *context, const char *name);
    bool (*value)(void *context, const char *name, int depth, struct text *result, struct error *error);
    void *context;
};

bool expand_text(const struct expand_names *names, const char *value, int depth, struct text *result,
                 struct error *error);

/* Calls `name` for each name that value refers to, in conditions and branches too. Bad syntax ends the walk. */
typedef void expand_name_fn(void *context, const char *name);
void expand_each_name(const char *value, expand_name_fn *name, void *context);

/* Compares release numbers, "3.6" and "3.10", as the <level operators do. False: one is malformed. */
bool expand_compare_levels(const char *a, const char *b, int *order, struct error *error);

#endif
