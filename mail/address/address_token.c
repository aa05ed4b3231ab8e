#include "mail/address/address_token.h"

static bool is_special(char c)
{
    switch (c) {
    case '(': case ')': case '<': case '>': case '[': case ']':
    case '@': case ',': case ';': case ':': case '"': case '.':
        return true;
    default:
        return false;
    }
}

/* Behind what starts at text and ends with `close`; comments nest. */
static const char *skip_delimited(const char *text, char open, char close, bool *closed)
{
    int depth = 1;

    for (text++; *text != '\0'; text++) {
        if (*text == '\\' && text[1] != '\0')
            text++;
        else if (*text == close && --depth == 0) {
            *closed = true;
            return text + 1;
        } else if (*text == open && open == '(')
            depth++;
    }
    *closed = false;
    return text;
}

static const char *skip_atom(const char *text)
{
    for (; *text != '\0' && !ascii_is_space(*text) && !is_special(*text); text++)
        if (*text == '\\' && text[1] != '\0')
            text++;
    return text;
}

static const char *skip_token(struct address_token *token)
{
    const char *text = token->text;

    switch (*text) {
    case '"':
        token->kind = ADDRESS_TOKEN_QUOTED;
        return skip_delimited(text, '"', '"', &token->closed);
    case '[':
        token->kind = ADDRESS_TOKEN_LITERAL;
        return skip_delimited(text, '[', ']', &token->closed);
    case '(':
        token->kind = ADDRESS_TOKEN_COMMENT;
        return skip_delimited(text, '(', ')', &token->closed);
    default:
        break;
    }
    if (is_special(*text)) {
        token->kind = ADDRESS_TOKEN_SPECIAL;
        return text + 1;
    }
    token->kind = ascii_is_space(*text) ? ADDRESS_TOKEN_BLANK : ADDRESS_TOKEN_ATOM;
    if (token->kind == ADDRESS_TOKEN_ATOM)
        return skip_atom(text);
    while (ascii_is_space(*text))
        text++;
    return text;
}

bool address_token_next(const char **cursor, struct address_token *token)
{
    if (**cursor == '\0')
        return false;
    *token = (struct address_token){.text = *cursor, .closed = true};
    *cursor = skip_token(token);
    token->length = (size_t)(*cursor - token->text);
    return true;
}

bool address_token_is(const struct address_token *token, char special)
{
    return token->kind == ADDRESS_TOKEN_SPECIAL && *token->text == special;
}

bool address_token_is_word(const struct address_token *token)
{
    return token->kind == ADDRESS_TOKEN_ATOM || token->kind == ADDRESS_TOKEN_QUOTED ||
           token->kind == ADDRESS_TOKEN_LITERAL;
}

void address_token_value(const struct address_token *token, struct text *value)
{
    bool quoted = token->kind == ADDRESS_TOKEN_QUOTED;
    const char *at = token->text + (quoted ? 1 : 0), *end = token->text + token->length;

    if (quoted && token->closed)
        end--;
    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        text_append_char(value, *at);
    }
    if (token->kind == ADDRESS_TOKEN_LITERAL && !token->closed)
        text_append_char(value, ']');
}
