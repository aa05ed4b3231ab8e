#include "mail/sasl/dovecot_line.h"

#include <stdlib.h>
#include <string.h>

/* In place. A NUL that was escaped ends the word. */
static void unescape(char *word)
{
    static const char codes[] = "01trn", meanings[] = "\0\001\t\r\n";
    char *out = word;

    for (; *word != '\0'; word++) {
        const char *code = *word == '\001' && word[1] != '\0' ? strchr(codes, word[1]) : NULL;

        if (code != NULL)
            word++;
        *out++ = code != NULL ? meanings[code - codes] : *word;
    }
    *out = '\0';
}

void dovecot_line_split(char *line, struct dovecot_line *out)
{
    char *word;

    out->count = 0;
    while (out->count < DOVECOT_WORD_LIMIT && (word = strsep(&line, "\t")) != NULL) {
        unescape(word);
        out->words[out->count++] = word;
    }
}

const char *dovecot_line_field(const struct dovecot_line *line, size_t from, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = from; i < line->count; i++) {
        const char *word = line->words[i];

        if (strncmp(word, name, length) == 0 && (word[length] == '=' || word[length] == '\0'))
            return word + length + (word[length] == '=');
    }
    return NULL;
}

bool dovecot_line_id(const struct dovecot_line *line, unsigned *id)
{
    if (line->count < 2 || !string_all_digits(line->words[1]) || strlen(line->words[1]) > 9)
        return false;
    *id = (unsigned)strtoul(line->words[1], NULL, 10);
    return true;
}

bool dovecot_line_mechanism(const struct dovecot_line *line, struct sasl_offer *offer)
{
    static const struct {
        const char *word;
        unsigned property;
    } names[] = {
        {"plaintext", SASL_PLAINTEXT},   {"anonymous", SASL_ANONYMOUS},
        {"dictionary", SASL_DICTIONARY}, {"active", SASL_ACTIVE},
        {"forward-secrecy", SASL_FORWARD_SECRECY}, {"mutual-auth", SASL_MUTUAL_AUTH},
    };

    if (line->count < 2 || strcmp(line->words[0], "MECH") != 0 || !sasl_mechanism_valid(line->words[1]) ||
        dovecot_line_field(line, 2, "private") != NULL)
        return false;
    *offer = (struct sasl_offer){.name = line->words[1]};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (dovecot_line_field(line, 2, names[i].word) != NULL)
            offer->properties |= names[i].property;
    return true;
}

void dovecot_line_append(struct text *line, const char *name, const char *value)
{
    text_append_format(line, "\t%s=", name);
    for (; *value != '\0'; value++) {
        switch (*value) {
        case '\001': text_append(line, "\0011"); break;
        case '\t': text_append(line, "\001t"); break;
        case '\r': text_append(line, "\001r"); break;
        case '\n': text_append(line, "\001n"); break;
        default: text_append_char(line, *value);
        }
    }
}
