/* The $name language: a few names that stand for the input's first lines. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/config/expand.h"
#include "tests/fuzz/fuzz.h"

struct names {
    struct expand_names lookup;
    char *a, *b;
};

static const char *text_of(const struct names *names, const char *name)
{
    return strcmp(name, "a") == 0 ? names->a : strcmp(name, "b") == 0 ? names->b : NULL;
}

static bool is_set(void *context, const char *name)
{
    const char *text = text_of(context, name);

    return text != NULL && *text != '\0';
}

static bool value_of(void *context, const char *name, int depth, struct text *result, struct error *error)
{
    const struct names *names = context;
    const char *text = text_of(names, name);

    return text == NULL || expand_text(&names->lookup, text, depth + 1, result, error);
}

static void see(void *context, const char *name)
{
    ++*(size_t *)context;
    assert(name != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    struct names names = {.a = fuzz_line(&input), .b = fuzz_line(&input)};
    char *value = fuzz_rest(&input);
    struct text result = {0};
    struct error error;
    size_t seen = 0;

    names.lookup = (struct expand_names){is_set, value_of, &names};
    expand_text(&names.lookup, value, 0, &result, &error);
    assert(result.length <= EXPAND_RESULT_LIMIT + size);
    expand_each_name(value, see, &seen);
    text_free(&result);
    free(names.a);
    free(names.b);
    free(value);
    return 0;
}
