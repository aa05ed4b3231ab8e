#include "mail/sasl/mechanism.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static const struct {
    const char *word;
    unsigned forbidden, required;
} option_words[] = {
    {"noplaintext", SASL_PLAINTEXT, 0},   {"noactive", SASL_ACTIVE, 0},
    {"nodictionary", SASL_DICTIONARY, 0}, {"noanonymous", SASL_ANONYMOUS, 0},
    {"forward_secrecy", 0, SASL_FORWARD_SECRECY}, {"mutual_auth", 0, SASL_MUTUAL_AUTH},
};

static bool take_word(const char *word, struct sasl_options *options)
{
    for (size_t i = 0; i < sizeof option_words / sizeof *option_words; i++)
        if (string_equal_ignore_case(word, option_words[i].word)) {
            options->forbidden |= option_words[i].forbidden;
            options->required |= option_words[i].required;
            return true;
        }
    return false;
}

bool sasl_options_parse(const char *words, struct sasl_options *options, struct error *error)
{
    char *copy = memory_copy_string(words), *cursor = copy, *word;
    bool good = true;

    *options = (struct sasl_options){0};
    while (good && (word = string_next_word(&cursor, " \t\r\n,")) != NULL) {
        good = take_word(word, options);
        if (!good)
            error_set(error, "\"%s\" is none of noplaintext, noactive, nodictionary, noanonymous, forward_secrecy, "
                             "mutual_auth", word);
    }
    free(copy);
    return good;
}

bool sasl_options_permit(const struct sasl_options *options, unsigned properties)
{
    return (properties & options->forbidden) == 0 && (options->required & ~properties) == 0;
}

bool sasl_filter_passes(struct match_list *filter, const char *name, const char *parameter)
{
    struct error error;

    if (match_list_empty(filter))
        return true;
    switch (match_list_string(filter, name, &error)) {
    case MATCH_YES: return true;
    case MATCH_NO: return false;
    default: log_warning(NULL, "%s: %s", parameter, error.text); return false;
    }
}

bool sasl_mechanism_valid(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++)
        if (!ascii_is_alpha(name[i]) && !ascii_is_digit(name[i]) && name[i] != '-' && name[i] != '_')
            return false;
    return length > 0 && length <= SASL_MECHANISM_LIMIT;
}
