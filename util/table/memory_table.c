#include "util/table/memory_table.h"

#include <stdlib.h>

#include "util/base/memory.h"

struct memory_table *memory_table_new(void)
{
    struct memory_table *table = memory_new(sizeof *table);

    table->texts = map_new();
    return table;
}

void memory_table_free(struct memory_table *table)
{
    map_free_with(table->texts, free);
    free(table->source.path);
    free(table);
}

void memory_table_put(struct memory_table *table, const char *key, const char *value)
{
    char *folded = memory_copy_string(key);

    ascii_lower_string(folded);
    free(map_set(table->texts, folded, memory_copy_string(value)));
    free(folded);
}

bool memory_table_has(const struct memory_table *table, const char *key)
{
    char *folded = memory_copy_string(key);
    bool known;

    ascii_lower_string(folded);
    known = map_get(table->texts, folded) != NULL;
    free(folded);
    return known;
}

enum table_result memory_table_lookup(const struct memory_table *table, const char *key, struct text *result)
{
    const char *value = map_get(table->texts, key);

    if (value == NULL)
        return TABLE_NOT_FOUND;
    text_append(result, value);
    return TABLE_FOUND;
}

bool memory_table_walk(void *state, table_entry_fn *entry, void *context, struct error *error)
{
    const struct memory_table *table = state;
    const char **keys = map_sorted_keys(table->texts);

    (void)error;
    for (size_t i = 0; i < map_count(table->texts); i++)
        entry(context, keys[i], map_get(table->texts, keys[i]));
    free(keys);
    return true;
}
