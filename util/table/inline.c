/* inline:{ key=value, { key = text with spaces } } - a table written into main.cf. */
#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/table/memory_table.h"
#include "util/table/names.h"

/* "key=value", or the same in braces, in place. */
static bool add_pair(struct memory_table *table, const struct table_source *source, char *word, struct error *error)
{
    char *pair = word, *equals, *key;
    struct text value = {0};
    bool good;

    if (*word == '{' && !braces_open(word, &pair, error))
        return false;
    equals = strchr(pair, '=');
    if (equals == NULL)
        return error_set(error, "missing '=' after attribute name");
    *equals = '\0';
    key = string_trim(pair);
    if (*key == '\0')
        return error_set(error, "missing attribute name");
    good = table_source_value(source, string_trim(equals + 1), &value, error);
    if (good)
        memory_table_put(table, key, text_string(&value));
    text_free(&value);
    return good;
}

static bool add_pairs(struct memory_table *table, const struct table_source *source, char *pairs,
                      struct error *error)
{
    char *word;

    while ((word = table_names_next(&pairs)) != NULL)
        if (!add_pair(table, source, word, error))
            return false;
    return map_count(table->texts) > 0 || error_set(error, "bad syntax");
}

void *inline_open(const struct table_source *source, struct error *error)
{
    struct memory_table *table = memory_table_new();
    struct error reason;
    char *copy = memory_copy_string(source->name), *pairs;
    bool good = *copy == '{' && braces_open(copy, &pairs, error);

    if (!good)
        error_set(error, "bad syntax");
    else
        good = add_pairs(table, source, pairs, error);
    free(copy);
    if (good)
        return table;
    memory_table_free(table);
    reason = *error;
    error_set(error, "%s: \"%s:%s\"; need \"inline:{name=%s...}\"", reason.text, source->type, source->name,
              source->files ? "filename" : "value");
    return NULL;
}

enum table_result inline_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    (void)error;
    return memory_table_lookup(state, key, result);
}

void inline_close(void *state)
{
    memory_table_free(state);
}
