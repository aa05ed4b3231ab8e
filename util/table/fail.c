/* fail:anything - no lookup succeeds; for trying out what then happens to mail. */
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/table/internal.h"

void *fail_open(const struct table_source *source, struct error *error)
{
    (void)error;
    return memory_copy_string(source->name);
}

enum table_result fail_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    (void)state;
    (void)key;
    (void)result;
    error_set(error, "query error: Application error");
    return TABLE_ERROR;
}

void fail_close(void *state)
{
    free(state);
}
