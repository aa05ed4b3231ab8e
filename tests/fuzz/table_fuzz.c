/* Tables as text: the first byte is the type, the first line the key, the rest the file. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/table/table.h"

static void ask(const char *name, const char *key)
{
    struct text result = {0};
    struct error error;
    struct table *table = table_open(name, &error);

    if (table != NULL)
        table_lookup(table, key, &result, &error);
    table_close(table);
    text_free(&result);
}

/* The C library's compiler doubles a tree for each repetition of a repetition, a++++++. Operators do not write that,
 * and nobody else writes tables. */
static bool too_many_repetitions(const struct fuzz_input *input)
{
    size_t repetitions = 0;

    for (size_t i = 0; i < input->length; i++) {
        bool counted = input->bytes[i] == '{' && i + 1 < input->length && ascii_is_digit(input->bytes[i + 1]);

        repetitions += counted ? 4 : input->bytes[i] == '+' || input->bytes[i] == '*' || input->bytes[i] == '?';
    }
    return repetitions > 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"texthash", "cidr", "pcre", "regexp"};
    static const char *const inside[] = {"inline", "cidr", "pcre", "regexp", "static", "randmap", "pipemap", "unionmap"};
    struct fuzz_input input = fuzz_input(data, size);
    unsigned choice = fuzz_byte(&input);
    char *key = fuzz_line(&input), *text, *name;
    int fd;

    if (choice % 4 == 3 && too_many_repetitions(&input))
        input.length = 0;
    fd = fuzz_file(&input);
    if ((choice & 8) == 0) {
        name = memory_format("%s:/proc/self/fd/%d", types[choice % 4], fd);
    } else {
        text = fuzz_rest(&input);
        name = memory_format("%s:%s", inside[choice % 8], text);
        free(text);
    }
    ask(name, key);
    close(fd);
    free(name);
    free(key);
    return 0;
}
