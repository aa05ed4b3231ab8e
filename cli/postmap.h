/* postmap - what the parts of postmap(1) share. */
#ifndef CLI_POSTMAP_H
#define CLI_POSTMAP_H

#include <stdbool.h>

#include "util/table/table.h"

struct postmap {
    bool incremental;  /* -i */
    bool exact;        /* -f: keys are not folded */
    bool keep_root;    /* -o */
    bool default_mode; /* -p */
    bool check_utf8;   /* smtputf8_enable, without -u */
    enum table_duplicate duplicates; /* -r, -w */
};

/* Each does its work on one "type:name" or dies; the answer tells whether anything was found. */
void postmap_create(const struct postmap *postmap, const char *table);
bool postmap_query(const struct postmap *postmap, const char *table, const char *key);
bool postmap_query_stdin(const struct postmap *postmap, char *const *tables);
bool postmap_delete(const struct postmap *postmap, const char *table, const char *key);
bool postmap_delete_stdin(const struct postmap *postmap, char *const *tables);
void postmap_list(const struct postmap *postmap, const char *table);

#endif
