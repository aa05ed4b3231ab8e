/* Address headers: a rewriting that changes no address changes nothing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/address_list.h"
#include "tests/fuzz/fuzz.h"

static void keep(void *context, const char *address, struct text *result)
{
    (void)context;
    text_append(result, address);
}

static void extend(void *context, const char *address, struct text *result)
{
    (void)context;
    text_append_format(result, "%s.example", address);
}

static void count(void *context, const char *address)
{
    (void)address;
    ++*(size_t *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    size_t limit = fuzz_byte(&input) * 8, addresses = 0;
    char *body = fuzz_rest(&input);
    struct text result = {0};

    if (!address_list_rewrite(body, limit, keep, NULL, &result))
        assert(strcmp(text_string(&result), body) == 0);
    text_clear(&result);
    address_list_rewrite(body, limit, extend, NULL, &result);
    address_list_each(body, count, &addresses);
    assert(addresses <= strlen(body) + 1);
    text_free(&result);
    free(body);
    return 0;
}
