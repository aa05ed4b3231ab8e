#include "mail/address/alias_entry.h"

#include <string.h>

#include "mail/address/address_token.h"

/* Besides the specials of RFC 822 these stand for themselves in an aliases file. */
static const char operators[] = "|%!";

/* One side of the line, as far as it has been written. */
struct side {
    bool external;
    struct text *text;
    size_t count;     /* of tokens */
    bool after_word;  /* a word that comes now is set off by a blank */
    bool after_angle; /* the last token was a > */
};

static bool needs_quotes(const struct address_token *token, const char *value)
{
    if (token->kind != ADDRESS_TOKEN_ATOM)
        return token->kind == ADDRESS_TOKEN_QUOTED;
    for (; *value != '\0'; value++)
        if (ascii_is_space(*value) || strchr("()<>@,;:\".[]\\|%!", *value) != NULL)
            return true;
    return false;
}

static void write_quoted(struct text *text, const char *value)
{
    text_append_char(text, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            text_append_char(text, '\\');
        text_append_char(text, *value);
    }
    text_append_char(text, '"');
}

/* A comment stays as it was typed. White space inside other words, a line's fold most often, becomes blanks. */
static void write_word(struct side *side, const struct address_token *token)
{
    struct text value = {0};

    if (token->kind == ADDRESS_TOKEN_COMMENT) {
        text_append_bytes(side->text, token->text, token->length);
        return;
    }
    address_token_value(token, &value);
    for (size_t i = 0; i < value.length; i++)
        if (ascii_is_space(value.data[i]))
            value.data[i] = ' ';
    if (side->external && needs_quotes(token, text_string(&value)))
        write_quoted(side->text, text_string(&value));
    else
        text_append(side->text, text_string(&value));
    text_free(&value);
}

static void add_word(struct side *side, const struct address_token *token)
{
    if (side->after_word)
        text_append_char(side->text, ' ');
    write_word(side, token);
    side->after_word = true;
    side->after_angle = false;
    side->count++;
}

static void add_special(struct side *side, char special)
{
    if (special == '<' && (side->after_word || side->after_angle))
        text_append_char(side->text, ' ');
    text_append_char(side->text, special);
    if (special == ',')
        text_append_char(side->text, ' ');
    side->after_word = false;
    side->after_angle = special == '>';
    side->count++;
}

/* ---- tokens ---- */

/* The next token that is no blank; operators inside an atom are tokens of their own. */
static bool next_token(const char **cursor, struct address_token *token)
{
    const char *end;

    do {
        if (!address_token_next(cursor, token))
            return false;
    } while (token->kind == ADDRESS_TOKEN_BLANK);
    if (token->kind != ADDRESS_TOKEN_ATOM)
        return true;
    for (end = token->text; end < token->text + token->length && strchr(operators, *end) == NULL; end++)
        if (*end == '\\' && end + 1 < token->text + token->length)
            end++;
    if (end == token->text) {
        token->kind = ADDRESS_TOKEN_SPECIAL;
        end++;
    }
    if (end < token->text + token->length)
        *cursor = end;
    token->length = (size_t)(end - token->text);
    return true;
}

static void add_token(struct side *side, const struct address_token *token)
{
    if (token->kind == ADDRESS_TOKEN_SPECIAL)
        add_special(side, *token->text);
    else
        add_word(side, token);
}

enum alias_entry_result alias_entry_parse(const char *line, struct text *name, struct text *value)
{
    struct side left = {.text = name}, right = {.external = true, .text = value};
    struct address_token token;
    bool domain = false, comma = false, colon = false;

    while (!colon && next_token(&line, &token)) {
        colon = address_token_is(&token, ':');
        comma = comma || address_token_is(&token, ',');
        domain = domain || address_token_is(&token, '@') || address_token_is(&token, '%');
        if (!colon)
            add_token(&left, &token);
    }
    while (next_token(&line, &token))
        add_token(&right, &token);
    if (!colon || comma || left.count == 0 || right.count == 0)
        return ALIAS_ENTRY_NO_PAIR;
    return domain ? ALIAS_ENTRY_NOT_LOCAL : ALIAS_ENTRY_GOOD;
}
