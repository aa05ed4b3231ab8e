/* postmap - what the parts of postmap(1) and postalias(1) share. */
#ifndef CLI_POSTMAP_H
#define CLI_POSTMAP_H

#include <stdbool.h>

#include "mail/config/config.h"
#include "mail/message/mime.h"
#include "util/table/table.h"

struct postmap;

/* What the two have not in common. */
struct postmap_kind {
    const char *name, *options /* getopt's */, *usage;
    const char *separator; /* between a key and its value, printed */
    /* Takes a line of the source apart. False: it is no entry; a warning has said so. */
    bool (*split)(char *line, const char *path, int number, struct text *key, struct text *value);
    /* Puts what such a table holds besides the source's entries. NULL: nothing. */
    void (*sign)(const struct postmap *postmap, const char *table, struct table_writer *writer);
};

struct postmap {
    const struct postmap_kind *kind;
    const struct config *config;
    bool incremental;  /* -i */
    bool exact;        /* -f: keys are not folded */
    bool keep_root;    /* -o */
    bool default_mode; /* -p */
    enum table_form form; /* -n, -N */
    bool files;        /* -F: values are what files hold */
    bool check_utf8;   /* smtputf8_enable, without -u */
    bool json;         /* -j */
    bool headers, bodies; /* -h, -b: keys come from a message */
    enum table_duplicate duplicates; /* -r, -w */
};

int postmap_command(const struct postmap_kind *kind, int argc, char **argv);

/* One entry, as it is; a duplicate is what postmap says it is. Dies of what cannot be written. */
void postmap_put(const struct postmap *postmap, const char *table, struct table_writer *writer, const char *key,
                 const char *value);

/* Each does its work on one "type:name" or dies; the answer tells whether anything was found. */
void postmap_create(const struct postmap *postmap, const char *table);
bool postmap_query(const struct postmap *postmap, const char *table, const char *key);
bool postmap_query_stdin(const struct postmap *postmap, char *const *tables);
bool postmap_query_message(const struct postmap *postmap, const struct mime_limits *limits, char *const *tables);
bool postmap_delete(const struct postmap *postmap, const char *table, const char *key);
bool postmap_delete_stdin(const struct postmap *postmap, char *const *tables);
void postmap_list(const struct postmap *postmap, const char *table);

/* Tables that are opened when they are first needed. */
struct postmap_tables;
struct postmap_tables *postmap_tables_new(char *const *names); /* borrowed */
void postmap_tables_free(struct postmap_tables *tables);
/* Prints the first answer as "key TAB value". False: there is none. */
bool postmap_query_print(const struct postmap *postmap, struct postmap_tables *tables, const char *key);

#endif
