/* A line of an aliases file: a value that was written once is written the same way again, unless it has comments and
 * domain literals, which are written with less than they were read from. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mail/address/alias_entry.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    char *line = fuzz_rest(&input);
    struct text name = {0}, value = {0}, again = {0}, line_again = {0};

    if (alias_entry_parse(line, &name, &value) == ALIAS_ENTRY_GOOD && strpbrk(line, "([") == NULL) {
        text_append_format(&line_again, "name: %s", text_string(&value));
        text_clear(&name);
        if (alias_entry_parse(text_string(&line_again), &name, &again) == ALIAS_ENTRY_GOOD)
            assert(strcmp(text_string(&again), text_string(&value)) == 0);
        assert(strcmp(text_string(&name), "name") == 0);
    }
    text_free(&name);
    text_free(&value);
    text_free(&again);
    text_free(&line_again);
    free(line);
    return 0;
}
