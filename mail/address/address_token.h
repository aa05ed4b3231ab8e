/* address_token - the lexical tokens of address fields and paths: RFC 5322 section 3.2, read leniently.
 *
 * What is not closed (a quote, a comment, a domain literal) ends with the text. */
#ifndef MAIL_ADDRESS_ADDRESS_TOKEN_H
#define MAIL_ADDRESS_ADDRESS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/text.h"

enum address_token_kind {
    ADDRESS_TOKEN_ATOM,    /* anything without meaning of its own; \x stands for x */
    ADDRESS_TOKEN_QUOTED,  /* "text" */
    ADDRESS_TOKEN_LITERAL, /* [text] */
    ADDRESS_TOKEN_COMMENT, /* (text), nested */
    ADDRESS_TOKEN_BLANK,   /* white space, line folds too */
    ADDRESS_TOKEN_SPECIAL, /* one of . @ , ; : < > and a stray ) or ] */
};

struct address_token {
    enum address_token_kind kind;
    const char *text; /* borrowed from what was read */
    size_t length;
    bool closed; /* quoted, literal, comment: its end is there */
};

/* The next token at *cursor, which moves behind it. False at the end of the text. */
bool address_token_next(const char **cursor, struct address_token *token);

bool address_token_is(const struct address_token *token, char special);
bool address_token_is_word(const struct address_token *token); /* atom, quoted or literal */

/* Appends what the token stands for: without quotes and backslashes. */
void address_token_value(const struct address_token *token, struct text *value);

#endif
