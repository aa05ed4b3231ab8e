/* postmap - what the parts of postmap(1) share. */
#ifndef CLI_POSTMAP_H
#define CLI_POSTMAP_H

#include <stdbool.h>

#include "mail/message/mime.h"
#include "util/table/table.h"

struct postmap {
    bool incremental;  /* -i */
    bool files;        /* -F: values name files, whose contents count */
    bool exact;        /* -f: keys are not folded */
    bool keep_root;    /* -o */
    bool default_mode; /* -p */
    bool check_utf8;   /* smtputf8_enable, without -u */
    bool headers, bodies; /* -h, -b: keys come from a message */
    enum table_duplicate duplicates; /* -r, -w */
};

/* Each does its work on one "type:name" or dies; the answer tells whether anything was found. */
void postmap_create(const struct postmap *postmap, const char *table);
bool postmap_query(const struct postmap *postmap, const char *table, const char *key);
bool postmap_query_stdin(const struct postmap *postmap, char *const *tables);
bool postmap_query_message(const struct postmap *postmap, const struct mime_limits *limits, char *const *tables);
bool postmap_delete(const struct postmap *postmap, const char *table, const char *key);
bool postmap_delete_stdin(const struct postmap *postmap, char *const *tables);
/* -F. Values as a table has them: files named, encoded; and back. In tables that are not indexed names may still stand. */
bool postmap_encode_files(const char *names, struct text *encoded, struct error *error);
bool postmap_decode_files(const char *value, struct text *contents, struct error *error);
void postmap_list(const struct postmap *postmap, const char *table);

/* Tables that are opened when they are first needed. */
struct postmap_tables;
struct postmap_tables *postmap_tables_new(char *const *names); /* borrowed */
void postmap_tables_free(struct postmap_tables *tables);
/* Prints the first answer as "key TAB value". False: there is none. */
bool postmap_query_print(const struct postmap *postmap, struct postmap_tables *tables, const char *key);

#endif
