/* The table types, one row each, and what is the same for all of them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/base64.h"
#include "util/base/clock.h"
#include "util/base/list.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/internal.h"

#define FUNCTIONS(type) .open = type##_open, .lookup = type##_lookup, .close = type##_close

/* Sorted by name. hash and btree are Berkeley DB's names; LMDB serves them, so that a main.cf keeps working. */
static const struct table_type types[] = {
    {"btree", FUNCTIONS(lmdb), .folds = true, .changed = lmdb_changed, .walk = lmdb_walk,
     .set_form = lmdb_set_form, .writing = &lmdb_writing},
    {"cidr", FUNCTIONS(cidr), .is_pattern = true, .changed = cidr_changed},
    {"environ", FUNCTIONS(environ)},
    {"fail", FUNCTIONS(fail)},
    {"hash", FUNCTIONS(lmdb), .folds = true, .changed = lmdb_changed, .walk = lmdb_walk,
     .set_form = lmdb_set_form, .writing = &lmdb_writing},
    {"inline", FUNCTIONS(inline), .folds = true, .walk = memory_table_walk},
    {"lmdb", FUNCTIONS(lmdb), .folds = true, .changed = lmdb_changed, .walk = lmdb_walk,
     .set_form = lmdb_set_form, .writing = &lmdb_writing},
    {"pcre", FUNCTIONS(pcre), .is_pattern = true, .changed = expression_changed},
    {"pipemap", FUNCTIONS(pipemap)},
    {"proxy", FUNCTIONS(proxy)},
    {"randmap", FUNCTIONS(randmap)},
    {"regexp", FUNCTIONS(regexp), .is_pattern = true, .changed = expression_changed},
    {"socketmap", FUNCTIONS(socketmap), .is_pattern = true},
    {"static", FUNCTIONS(static)},
    {"texthash", FUNCTIONS(texthash), .folds = true, .changed = texthash_changed, .walk = memory_table_walk},
    {"unionmap", FUNCTIONS(unionmap)},
    {"unix", FUNCTIONS(unix), .folds = true},
};

enum { TYPE_COUNT = sizeof types / sizeof *types };

/* How long a table that could not be opened is left alone before it is tried again. */
static const duration retry_interval = 10 * SECONDS;

struct table {
    struct link link; /* in open_tables */
    const struct table_type *type; /* NULL: nobody knows it */
    char *full_name;
    const char *name; /* behind the colon */
    void *state;      /* NULL: it could not be opened */
    struct error reason;
    struct deadline retry;
    bool exact, files;
    bool decodes; /* answers are base64 of what is asked for */
};

/* All that this process has open, wherever they belong: the process as a whole is replaced when one changes. */
static struct list open_tables = {.root = {&open_tables.root, &open_tables.root}};

const char *const *table_types(void)
{
    static const char *const names[] = {"btree", "cidr", "environ", "fail", "hash", "inline", "lmdb", "pcre",
                                        "pipemap", "proxy", "randmap", "regexp", "socketmap", "static", "texthash",
                                        "unionmap", "unix", NULL};

    static_assert(sizeof names / sizeof *names == TYPE_COUNT + 1, "each type has its name listed");
    return names;
}

static const struct table_type *find_type(const char *name, size_t length)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (strlen(types[i].name) == length && strncmp(types[i].name, name, length) == 0)
            return &types[i];
    return NULL;
}

/* The colon that ends the type; NULL when the text has not the form "type:name". */
static const char *find_colon(const char *type_and_name, struct error *error)
{
    const char *colon = strchr(type_and_name, ':');

    if (colon != NULL && colon > type_and_name && colon[1] != '\0')
        return colon;
    error_set(error, "open dictionary: expecting \"type:name\" form instead of \"%s\"", type_and_name);
    return NULL;
}

static bool open_state(struct table *table)
{
    if (table->type != NULL) {
        const struct table_source source = {table->type->name, table->name, table->files};

        table->state = table->type->open(&source, &table->reason);
    }
    return table->state != NULL;
}

static struct table *table_new(const char *type_and_name, bool files, struct error *error)
{
    const char *colon = find_colon(type_and_name, error);
    size_t length;
    struct table *table;

    if (colon == NULL)
        return NULL;
    length = (size_t)(colon - type_and_name);
    table = memory_new(sizeof *table);
    table->full_name = memory_copy_string(type_and_name);
    table->name = table->full_name + length + 1;
    table->type = find_type(type_and_name, length);
    if (table->type == NULL)
        error_set(&table->reason, "unsupported dictionary type: %.*s", (int)length, type_and_name);
    table->retry = deadline_in(retry_interval);
    table->files = files;
    open_state(table);
    list_append(&open_tables, &table->link);
    return table;
}

struct table *table_open(const char *type_and_name, struct error *error)
{
    struct table *table = table_new(type_and_name, false, error);

    if (table != NULL && table->state == NULL)
        log_error(NULL, "%s", table->reason.text);
    return table;
}

static struct table *open_strictly(const char *type_and_name, bool files, struct error *error)
{
    struct table *table = table_new(type_and_name, files, error);

    if (table != NULL && table->state == NULL) {
        error_set(error, "%s", table->reason.text);
        table_close(table);
        return NULL;
    }
    return table;
}

struct table *table_open_strictly(const char *type_and_name, struct error *error)
{
    return open_strictly(type_and_name, false, error);
}

struct table *table_open_files(const char *type_and_name, struct error *error)
{
    struct table *table = open_strictly(type_and_name, true, error);

    if (table != NULL)
        table->decodes = true;
    return table;
}

struct table *table_open_part(const struct table_source *whole, const char *type_and_name, struct error *error)
{
    return open_strictly(type_and_name, whole->files, error);
}

void table_close(struct table *table)
{
    if (table == NULL)
        return;
    list_remove(&open_tables, &table->link);
    if (table->state != NULL)
        table->type->close(table->state);
    free(table->full_name);
    free(table);
}

const char *table_name(const struct table *table)
{
    return table->full_name;
}

bool table_is_pattern(const struct table *table)
{
    return table->type != NULL && table->type->is_pattern;
}

bool table_changed(const struct table *table)
{
    return table->state != NULL && table->type->changed != NULL && table->type->changed(table->state);
}

const char *table_first_changed(void)
{
    list_each(cursor, following, &open_tables)
    {
        const struct table *table = list_entry(cursor, struct table, link);

        if (table_changed(table))
            return table->full_name;
    }
    return NULL;
}

void table_set_exact(struct table *table, bool exact)
{
    table->exact = exact;
}

void table_set_form(struct table *table, enum table_form form)
{
    if (table->state != NULL && table->type->set_form != NULL)
        table->type->set_form(table->state, form);
}

/* ---- lookups ---- */

/* What was missing at start may have been made since; a process in its sandbox keeps failing, and says so. */
static bool reopen(struct table *table)
{
    if (!deadline_passed(table->retry))
        return false;
    table->retry = deadline_in(retry_interval);
    return open_state(table);
}

static enum table_result ask(struct table *table, const char *key, struct text *result, struct error *error)
{
    char *folded;
    enum table_result answer;

    if (!table->type->folds || table->exact)
        return table->type->lookup(table->state, key, result, error);
    folded = memory_copy_string(key);
    ascii_lower_string(folded);
    answer = table->type->lookup(table->state, folded, result, error);
    free(folded);
    return answer;
}

static enum table_result ask_decoded(struct table *table, const char *key, struct text *result, struct error *error)
{
    struct text encoded = {0};
    enum table_result answer = ask(table, key, &encoded, error);

    if (answer == TABLE_FOUND && !base64_decode(text_string(&encoded), result)) {
        error_set(error, "key %s: malformed BASE64 value: %.30s", key, text_string(&encoded));
        answer = TABLE_ERROR;
    }
    text_free(&encoded);
    return answer;
}

enum table_result table_lookup(struct table *table, const char *key, struct text *result, struct error *error)
{
    enum table_result answer = TABLE_ERROR;
    struct error reason;

    text_clear(result);
    if (table->state == NULL && !reopen(table))
        log_warning(NULL, "%s is unavailable. %s", table->full_name, table->reason.text);
    else if (table->decodes)
        answer = ask_decoded(table, key, result, &reason);
    else
        answer = ask(table, key, result, &reason);
    if (answer == TABLE_ERROR) {
        if (table->state != NULL)
            log_warning(NULL, "%s%s: %s", table->decodes ? "table " : "", table->full_name, reason.text);
        text_clear(result);
        error_set(error, "%s: table lookup problem", table->full_name);
    }
    return answer;
}

bool table_walk(struct table *table, table_entry_fn *entry, void *context, struct error *error)
{
    if (table->state == NULL)
        return error_set(error, "%s", table->reason.text);
    if (table->type->walk == NULL)
        return error_set(error, "table %s: sequence operation is not supported", table->full_name);
    return table->type->walk(table->state, entry, context, error);
}

/* ---- writing ---- */

bool table_is_indexed(const char *type_and_name)
{
    const struct table_type *type = find_type(type_and_name, strcspn(type_and_name, ":"));

    return type != NULL && type->writing != NULL;
}

struct table_writer {
    const struct table_writing *writing;
    struct table_file *file;
};

static void complain_of_type(const char *type_and_name, int length, bool known, enum table_write_mode mode,
                             struct error *error)
{
    if (!known)
        error_set(error, "unsupported dictionary type: %.*s", length, type_and_name);
    else if (mode != TABLE_UPDATE_EXISTING)
        error_set(error, "unsupported dictionary type: %.*s does not support bulk-mode creation.", length,
                  type_and_name);
    else
        error_set(error, "%s map requires O_RDONLY access mode", type_and_name);
}

struct table_writer *table_writer_open(const char *type_and_name, enum table_write_mode mode, struct error *error)
{
    const char *colon = find_colon(type_and_name, error);
    const struct table_type *type;
    struct table_file *file;
    struct table_writer *writer;

    if (colon == NULL)
        return NULL;
    type = find_type(type_and_name, (size_t)(colon - type_and_name));
    if (type == NULL || type->writing == NULL) {
        complain_of_type(type_and_name, (int)(colon - type_and_name), type != NULL, mode, error);
        return NULL;
    }
    file = type->writing->open(colon + 1, mode, error);
    if (file == NULL)
        return NULL;
    writer = memory_new(sizeof *writer);
    writer->writing = type->writing;
    writer->file = file;
    return writer;
}

void table_writer_set_form(struct table_writer *writer, enum table_form form)
{
    writer->writing->set_form(writer->file, form);
}

bool table_writer_put(struct table_writer *writer, const char *key, const char *value,
                      enum table_duplicate duplicates, bool *was_duplicate, struct error *error)
{
    return writer->writing->put(writer->file, key, value, duplicates == TABLE_DUPLICATE_REPLACE, was_duplicate,
                                error);
}

bool table_writer_delete(struct table_writer *writer, const char *key, bool *existed, struct error *error)
{
    return writer->writing->remove(writer->file, key, existed, error);
}

bool table_writer_commit(struct table_writer *writer, struct error *error)
{
    bool good = writer->writing->commit(writer->file, error);

    free(writer);
    return good;
}

void table_writer_abandon(struct table_writer *writer)
{
    if (writer == NULL)
        return;
    writer->writing->abandon(writer->file);
    free(writer);
}
