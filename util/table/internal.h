/* internal - what a table type offers to registry.c, and what the types share. */
#ifndef UTIL_TABLE_INTERNAL_H
#define UTIL_TABLE_INTERNAL_H

#include <sys/stat.h>

#include "util/table/table.h"

struct table_file; /* the indexed file that a writer makes */

/* What a table is opened from. */
struct table_source {
    const char *type, *name;
    bool files; /* the values are names of files, and become what file_value_encode makes of them */
};

/* Appends what is kept of a value: itself, or what its files hold. */
bool table_source_value(const struct table_source *source, const char *value, struct text *kept, struct error *error);

/* A table that is part of another: opened in the same way. */
struct table *table_open_part(const struct table_source *whole, const char *type_and_name, struct error *error);

/* One row of the registry. Functions that are NULL are not offered. Names are without "type:". */
struct table_type {
    const char *name;
    bool is_pattern; /* asked with whole keys only */
    bool folds;      /* keys are compared in lower case */
    void *(*open)(const struct table_source *source, struct error *error); /* NULL: the error says why */
    enum table_result (*lookup)(void *state, const char *key, struct text *result, struct error *error);
    void (*close)(void *state);
    bool (*changed)(const void *state);
    bool (*walk)(void *state, table_entry_fn *entry, void *context, struct error *error);
    void (*set_form)(void *state, enum table_form form);
    const struct table_writing *writing;
};

struct table_writing {
    struct table_file *(*open)(const char *name, enum table_write_mode mode, struct error *error);
    void (*set_form)(struct table_file *file, enum table_form form);
    bool (*put)(struct table_file *file, const char *key, const char *value, bool overwrite, bool *existed,
                struct error *error);
    bool (*remove)(struct table_file *file, const char *key, bool *existed, struct error *error);
    bool (*commit)(struct table_file *file, struct error *error); /* frees it */
    void (*abandon)(struct table_file *file);
};

extern const struct table_writing lmdb_writing;

#define TABLE_TYPE_FUNCTIONS(type)                                                                                \
    void *type##_open(const struct table_source *source, struct error *error);                                    \
    enum table_result type##_lookup(void *state, const char *key, struct text *result, struct error *error);      \
    void type##_close(void *state);

TABLE_TYPE_FUNCTIONS(cidr)
TABLE_TYPE_FUNCTIONS(environ)
TABLE_TYPE_FUNCTIONS(fail)
TABLE_TYPE_FUNCTIONS(inline)
TABLE_TYPE_FUNCTIONS(lmdb)
TABLE_TYPE_FUNCTIONS(pcre)
TABLE_TYPE_FUNCTIONS(pipemap)
TABLE_TYPE_FUNCTIONS(proxy)
TABLE_TYPE_FUNCTIONS(randmap)
TABLE_TYPE_FUNCTIONS(regexp)
TABLE_TYPE_FUNCTIONS(socketmap)
TABLE_TYPE_FUNCTIONS(static)
TABLE_TYPE_FUNCTIONS(texthash)
TABLE_TYPE_FUNCTIONS(unionmap)
TABLE_TYPE_FUNCTIONS(unix)

bool cidr_changed(const void *state);
bool expression_changed(const void *state);
bool lmdb_changed(const void *state);
bool texthash_changed(const void *state);
void lmdb_set_form(void *state, enum table_form form);
bool lmdb_walk(void *state, table_entry_fn *entry, void *context, struct error *error);
bool memory_table_walk(void *state, table_entry_fn *entry, void *context, struct error *error);

/* Takes "{ text }" apart, in place: *content becomes the trimmed text. False: error is "missing '}' in ..." or
 * "syntax error after '}' in ...". */
bool braces_open(char *text, char **content, struct error *error);

/* What a file looked like when it was read. */
struct file_mark {
    char *path; /* NULL: no file */
    struct stat status;
};

/* False when the file cannot be looked at now: a process that left its root directory behind cannot tell. */
bool file_mark_changed(const struct file_mark *mark);

#endif
