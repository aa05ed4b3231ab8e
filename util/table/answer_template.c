#include "util/table/answer_template.h"

#include <string.h>

#include "util/base/text.h"

static bool is_name_character(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_';
}

static struct answer_piece bracketed_name(const char **cursor, char end)
{
    const char *name = *cursor + 2, *close = strchr(name, end);

    if (close == NULL) {
        *cursor += strlen(*cursor);
        return (struct answer_piece){.kind = PIECE_TRUNCATED};
    }
    *cursor = close + 1;
    return (struct answer_piece){.kind = close > name ? PIECE_NAME : PIECE_EMPTY, .text = name,
                                 .length = (size_t)(close - name)};
}

static struct answer_piece plain_name(const char **cursor)
{
    const char *name = ++*cursor;

    while (is_name_character(**cursor))
        ++*cursor;
    return (struct answer_piece){.kind = *cursor > name ? PIECE_NAME : PIECE_EMPTY, .text = name,
                                 .length = (size_t)(*cursor - name)};
}

struct answer_piece answer_next_piece(const char **cursor)
{
    const char *start = *cursor;

    if (*start == '\0')
        return (struct answer_piece){.kind = PIECE_END};
    if (*start != '$') {
        *cursor += strcspn(start, "$");
        return (struct answer_piece){.kind = PIECE_LITERAL, .text = start, .length = (size_t)(*cursor - start)};
    }
    if (start[1] == '$') {
        *cursor += 2;
        return (struct answer_piece){.kind = PIECE_LITERAL, .text = start, .length = 1};
    }
    if (start[1] == '{' || start[1] == '(')
        return bracketed_name(cursor, start[1] == '{' ? '}' : ')');
    return plain_name(cursor);
}

long answer_piece_number(const struct answer_piece *piece)
{
    long number = 0;

    for (size_t i = 0; i < piece->length; i++) {
        if (!ascii_is_digit(piece->text[i]))
            return -1;
        if (number < 1000000)
            number = number * 10 + (piece->text[i] - '0');
    }
    return number;
}
