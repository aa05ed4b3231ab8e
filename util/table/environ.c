/* environ:anything - this process's environment. */
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/table/internal.h"

void *environ_open(const struct table_source *source, struct error *error)
{
    (void)error;
    return memory_copy_string(source->name);
}

enum table_result environ_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    const char *value = getenv(key);

    (void)state;
    (void)error;
    if (value == NULL)
        return TABLE_NOT_FOUND;
    text_append(result, value);
    return TABLE_FOUND;
}

void environ_close(void *state)
{
    free(state);
}
