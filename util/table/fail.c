/* fail:anything - no lookup succeeds; for trying out what then happens to mail. */
#include <stdlib.h>

#include "util/base/memory.h"
#include "util/table/internal.h"

void *fail_open(const char *type_name, const char *name, struct error *error)
{
    (void)type_name;
    (void)error;
    return memory_copy_string(name);
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
