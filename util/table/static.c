/* static:text, static:{ text with spaces } - one answer for every key. */
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/table/internal.h"

void *static_open(const char *type_name, const char *name, struct error *error)
{
    char *copy = memory_copy_string(name), *answer = copy;

    (void)type_name;
    if (*copy == '{' && !braces_open(copy, &answer, error)) {
        error_prefix(error, "bad static:name syntax: ");
        free(copy);
        return NULL;
    }
    answer = memory_copy_string(answer);
    free(copy);
    return answer;
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
