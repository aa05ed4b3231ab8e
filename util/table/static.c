/* static:text, static:{ text with spaces } - one answer for every key. */
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/table/internal.h"

void *static_open(const struct table_source *source, struct error *error)
{
    char *copy = memory_copy_string(source->name), *answer = copy;
    struct text kept = {0};
    bool good = false;

    if (*copy == '{' && !braces_open(copy, &answer, error))
        error_prefix(error, "bad static:name syntax: ");
    else
        good = table_source_value(source, answer, &kept, error);
    free(copy);
    return good ? text_take(&kept) : NULL;
}

enum table_result static_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    (void)key;
    (void)error;
    text_append(result, state);
    return TABLE_FOUND;
}

void static_close(void *state)
{
    free(state);
}
