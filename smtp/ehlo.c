#include "smtp/ehlo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/xforward.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static const struct {
    const char *keyword;
    enum ehlo_feature feature;
} keywords[] = {
    {"PIPELINING", EHLO_PIPELINING},
    {"SIZE", EHLO_SIZE},
    {"8BITMIME", EHLO_8BITMIME},
    {"SMTPUTF8", EHLO_SMTPUTF8},
    {"DSN", EHLO_DSN},
    {"STARTTLS", EHLO_STARTTLS},
    {"ENHANCEDSTATUSCODES", EHLO_ENHANCED_CODES},
    {"CHUNKING", EHLO_CHUNKING},
    {"AUTH", EHLO_AUTH},
    {"REQUIRETLS", EHLO_REQUIRETLS},
    {"XFORWARD", EHLO_XFORWARD},
};

static int find_feature(const char *word)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (string_equal_ignore_case(word, keywords[i].keyword))
            return (int)keywords[i].feature;
    return 0;
}

static void parse_size(const char *word, struct ehlo_offer *offer)
{
    if (word != NULL && string_all_digits(word) && strlen(word) <= 18)
        offer->size_limit = strtoll(word, NULL, 10);
}

/* "AUTH PLAIN LOGIN" and, of old servers, "AUTH=PLAIN LOGIN": both may be there. */
static void parse_mechanisms(char *words, struct ehlo_offer *offer)
{
    char *word;

    while ((word = string_next_word(&words, " \t")) != NULL) {
        size_t length = strlen(offer->mechanisms);

        if (length + strlen(word) + 2 > MECHANISMS_SIZE)
            return;
        snprintf(offer->mechanisms + length, MECHANISMS_SIZE - length, "%s%s", length > 0 ? " " : "", word);
    }
}

void ehlo_parse(const char *text, int discard, struct ehlo_offer *offer)
{
    char *copy = memory_copy_string(text), *lines = copy, *line;

    *offer = (struct ehlo_offer){0};
    string_next_word(&lines, "\n"); /* the greeting: the server's name, no keyword */
    while ((line = string_next_word(&lines, "\n")) != NULL) {
        char *words = strlen(line) > 4 ? line + 4 : line + strlen(line);
        char *word = string_next_word(&words, " \t=");
        int feature = word != NULL ? find_feature(word) & ~discard : 0;

        offer->features |= feature;
        if (feature == EHLO_SIZE)
            parse_size(string_next_word(&words, " \t"), offer);
        if (feature == EHLO_AUTH)
            parse_mechanisms(words, offer);
        if (feature == EHLO_XFORWARD)
            while ((word = string_next_word(&words, " \t")) != NULL)
                offer->xforward |= xforward_attribute(word);
    }
    free(copy);
}

int ehlo_discard_parse(const char *list)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    int discard = 0;

    while ((word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        discard |= find_feature(word);
    free(copy);
    return discard;
}
