/* texthash:/path - the source of an indexed table, read once into memory. */
#include <errno.h>
#include <string.h>

#include "util/base/lines.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/entry.h"
#include "util/table/memory_table.h"

static void add_line(struct memory_table *table, char *text, const char *path, int line)
{
    char *key, *value;

    if (!table_entry_split(text, path, line, " -- ignoring this line", &key, &value))
        return;
    if (memory_table_has(table, key))
        log_warning(NULL, "%s, line %d: duplicate entry: \"%s\"", path, line, key);
    else
        memory_table_put(table, key, value);
}

static bool read_lines(struct memory_table *table, struct line_reader *reader, struct error *error)
{
    char *text;

    if (fstat(fileno(line_reader_file(reader)), &table->source.status) != 0)
        return error_set(error, "fstat %s: %s", line_reader_path(reader), strerror(errno));
    while ((text = line_reader_next(reader)) != NULL)
        add_line(table, text, line_reader_path(reader), line_reader_number(reader));
    return !line_reader_failed(reader, error);
}

void *texthash_open(const char *type_name, const char *name, struct error *error)
{
    struct line_reader *reader = line_reader_open(name, error);
    struct memory_table *table;
    bool good;

    (void)type_name;
    if (reader == NULL) {
        error_set(error, "open database %s: %s", name, strerror(errno));
        return NULL;
    }
    table = memory_table_new();
    table->source.path = memory_copy_string(name);
    good = read_lines(table, reader, error);
    line_reader_close(reader);
    if (good)
        return table;
    memory_table_free(table);
    return NULL;
}

enum table_result texthash_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    (void)error;
    return memory_table_lookup(state, key, result);
}

void texthash_close(void *state)
{
    memory_table_free(state);
}

bool texthash_changed(const void *state)
{
    return file_mark_changed(&((const struct memory_table *)state)->source);
}
