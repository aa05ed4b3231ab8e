/* texthash:/path - the source of an indexed table, read once into memory. */
#include <errno.h>
#include <string.h>

#include "util/base/lines.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/entry.h"
#include "util/table/memory_table.h"

static void add_line(struct memory_table *table, const struct table_source *source, char *text, int line)
{
    struct text kept = {0};
    struct error error;
    char *key, *value;

    if (!table_entry_split(text, source->name, line, " -- ignoring this line", &key, &value))
        return;
    if (!table_source_value(source, value, &kept, &error))
        log_warning(NULL, "%s, line %d: %s: skipping this entry", source->name, line, error.text);
    else if (memory_table_has(table, key))
        log_warning(NULL, "%s, line %d: duplicate entry: \"%s\"", source->name, line, key);
    else
        memory_table_put(table, key, text_string(&kept));
    text_free(&kept);
}

static bool read_lines(struct memory_table *table, const struct table_source *source, struct line_reader *reader,
                       struct error *error)
{
    char *text;

    if (fstat(fileno(line_reader_file(reader)), &table->source.status) != 0)
        return error_set(error, "fstat %s: %s", source->name, strerror(errno));
    while ((text = line_reader_next(reader)) != NULL)
        add_line(table, source, text, line_reader_number(reader));
    return !line_reader_failed(reader, error);
}

void *texthash_open(const struct table_source *source, struct error *error)
{
    struct line_reader *reader = line_reader_open(source->name, error);
    struct memory_table *table;
    bool good;

    if (reader == NULL) {
        error_set(error, "open database %s: %s", source->name, strerror(errno));
        return NULL;
    }
    table = memory_table_new();
    table->source.path = memory_copy_string(source->name);
    good = read_lines(table, source, reader, error);
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
