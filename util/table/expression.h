/* expression - what regexp: and pcre: share: lines "/pattern/flags answer", $number in answers, IF and ENDIF.
 *
 * An engine compiles and matches; the rest is one text for both. */
#ifndef UTIL_TABLE_EXPRESSION_H
#define UTIL_TABLE_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "util/table/internal.h"

struct rules;

/* Where a group of parentheses matched in the key; start == end where it did not. Group 0 is the whole match. */
struct expression_group {
    size_t start, end;
};

enum { EXPRESSION_GROUPS = 100 }; /* group numbers in answers are below this */

struct expression_engine {
    const char *type;           /* "regexp" */
    int default_flags;          /* the engine's own bits */
    const char *ending_ignored; /* "skipping this rule" */
    const char *bad_index;      /* "out-of-range" */

    /* The bits that a flag letter toggles; 0: there is none (warned and skipped); -1: obsolete, has no effect. */
    int (*flag)(char letter);
    /* NULL: error says why. *groups: how many groups of parentheses there are. */
    void *(*compile)(const char *pattern, int flags, bool captures, size_t *groups, struct error *error);
    void (*free)(void *compiled);
    /* Fills groups (EXPRESSION_GROUPS of them) when it matches and groups is not NULL. An engine that gives up sets
     * *failure to why, which is logged, and has not matched. Several threads may match at the same time. */
    bool (*match)(const void *compiled, const char *key, struct expression_group *groups, struct error *failure);
};

extern const struct expression_engine pcre_engine;

void *expression_open(const struct expression_engine *engine, const struct table_source *source,
                      struct error *error);
void expression_close(void *state);
enum table_result expression_lookup(void *state, const char *key, struct text *result, struct error *error);

#endif
