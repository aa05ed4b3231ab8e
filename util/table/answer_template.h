/* answer_template - the $1, ${1}, $(1) and $$ of answers in regexp: and pcre: tables. */
#ifndef UTIL_TABLE_ANSWER_TEMPLATE_H
#define UTIL_TABLE_ANSWER_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

enum answer_piece_kind {
    PIECE_END,
    PIECE_LITERAL,   /* text */
    PIECE_NAME,      /* what stands behind $ */
    PIECE_TRUNCATED, /* ${ without } */
    PIECE_EMPTY,     /* $ without a name */
};

struct answer_piece {
    enum answer_piece_kind kind;
    const char *text;
    size_t length;
};

/* The piece at *cursor, which moves behind it. */
struct answer_piece answer_next_piece(const char **cursor);

/* The number that a PIECE_NAME is; -1: not a number. */
long answer_piece_number(const struct answer_piece *piece);

#endif
