#include "mail/restriction/restriction.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/base/text.h"

static const char separators[] = " \t\r\n,";

static const struct restriction_name names[] = {
#define RESTRICTION(name, argument, guards_relay, run) {#name, ARGUMENT_##argument, guards_relay},
#include "mail/restriction/restriction.def"
#undef RESTRICTION
};

const struct restriction_name *restriction_name_find(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (string_equal_ignore_case(names[i].name, name))
            return &names[i];
    return NULL;
}

enum restriction_next restriction_next(char **cursor, const char *bare_table, struct restriction_word *word,
                                       struct error *error)
{
    char *text = string_next_word_grouped(cursor, separators);
    bool is_table;

    if (text == NULL)
        return RESTRICTION_END;
    is_table = strchr(text, ':') != NULL;
    word->name = is_table ? bare_table : text;
    word->known = restriction_name_find(word->name);
    word->argument = NULL;
    if (word->known == NULL || word->known->argument == ARGUMENT_NONE)
        return RESTRICTION_WORD;
    word->argument = is_table ? text : string_next_word_grouped(cursor, separators);
    if (word->argument != NULL)
        return RESTRICTION_WORD;
    error_set(error, "restriction %s needs an argument: \"%s %s\"", word->name, word->name,
              word->known->argument == ARGUMENT_WORD ? "value" : "type:table");
    return RESTRICTION_BAD;
}

bool restriction_is_class(const char *classes, const char *name)
{
    char *copy = memory_copy_string(classes), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, separators)) != NULL)
        found = string_equal(word, name);
    free(copy);
    return found;
}
