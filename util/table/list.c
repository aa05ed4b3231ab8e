/* Lists of tables, as parameters such as virtual_alias_maps write them. */
#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/names.h"
#include "util/table/table.h"

struct table_list {
    struct table **tables;
    size_t count;
    size_t last; /* index of the table that answered */
};

static bool add_table(struct table_list *list, const char *name, struct error *error)
{
    struct table *table = table_open(name, error);

    if (table == NULL)
        return false;
    list->tables = memory_resize(list->tables, (list->count + 1) * sizeof(struct table *));
    list->tables[list->count++] = table;
    return true;
}

struct table_list *table_list_open(const char *names, struct error *error)
{
    struct table_list *list = memory_new(sizeof *list);
    char *copy = memory_copy_string(names), *rest = copy, *word;
    bool good = true;

    while (good && (word = table_names_next(&rest)) != NULL)
        good = add_table(list, word, error);
    free(copy);
    if (good)
        return list;
    table_list_close(list);
    return NULL;
}

void table_list_close(struct table_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++)
        table_close(list->tables[i]);
    free(list->tables);
    free(list);
}

bool table_list_empty(const struct table_list *list)
{
    return list->count == 0;
}

enum table_result table_list_lookup(struct table_list *list, const char *key, struct text *result,
                                    struct error *error)
{
    text_clear(result);
    for (list->last = 0; list->last < list->count; list->last++) {
        enum table_result answer = table_list_lookup_at(list, list->last, key, result, error);

        if (answer != TABLE_NOT_FOUND)
            return answer;
    }
    list->last = 0;
    return TABLE_NOT_FOUND;
}

enum table_result table_list_lookup_at(struct table_list *list, size_t index, const char *key, struct text *result,
                                       struct error *error)
{
    const char *name = table_name(list->tables[index]);
    enum table_result answer = table_lookup(list->tables[index], key, result, error);

    list->last = index;
    if (answer != TABLE_FOUND || result->length > 0)
        return answer;
    log_warning(NULL, "%s lookup of %s returns an empty string result", name, key);
    log_warning(NULL, "%s should return NO RESULT in case of NOT FOUND", name);
    error_set(error, "%s: table lookup problem", name);
    return TABLE_ERROR;
}

const char *table_list_last(const struct table_list *list)
{
    return list->last < list->count ? table_name(list->tables[list->last]) : "";
}

size_t table_list_count(const struct table_list *list)
{
    return list->count;
}

struct table *table_list_at(const struct table_list *list, size_t index)
{
    return list->tables[index];
}
