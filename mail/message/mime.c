#include "mail/message/mime.h"

#include <stdlib.h>
#include <string.h>

#include "mail/message/header.h"
#include "mail/message/mime_parts.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum { FIELD_LIMIT = 16 * 1024, QUOTED_LINE_LIMIT = 72 }; /* of a Content- field that is kept; RFC 2045: 76 */

struct mime_downgrade {
    struct mime_parts *parts;
    mime_line_fn *out;
    void *context;
    bool quoting;         /* the body at hand becomes quoted-printable */
    struct text encoding; /* Content-Transfer-Encoding, the whole field as it came, lines ended by LF */
    bool holding;         /* this line's field is kept back */
    struct text line;
};

struct mime_downgrade *mime_downgrade_new(const struct mime_limits *limits, mime_line_fn *out, void *context)
{
    struct mime_downgrade *state = memory_new(sizeof *state);

    state->parts = mime_parts_new(limits);
    state->out = out;
    state->context = context;
    return state;
}

void mime_downgrade_free(struct mime_downgrade *state)
{
    if (state == NULL)
        return;
    mime_parts_free(state->parts);
    text_free(&state->encoding);
    text_free(&state->line);
    free(state);
}

/* ---- headers ---- */

static bool has_encoding(const struct mime_downgrade *state, const char *encoding)
{
    char *copy = memory_copy_string(text_string(&state->encoding)), *value = strchr(copy, ':');
    bool same = value != NULL && string_equal_ignore_case(string_trim(value + 1), encoding);

    free(copy);
    return same;
}

/* Puts out the encoding field that was held back, unless it is replaced. */
static bool put_encoding(struct mime_downgrade *state, const char *replacement)
{
    const char *at = text_string(&state->encoding), *end;

    if (replacement != NULL) {
        text_clear(&state->line);
        text_append_format(&state->line, "Content-Transfer-Encoding: %s", replacement);
        return state->out(state->context, state->line.data, state->line.length);
    }
    for (; (end = strchr(at, '\n')) != NULL; at = end + 1)
        if (!state->out(state->context, at, (size_t)(end - at)))
            return false;
    return true;
}

static bool end_header(struct mime_downgrade *state, enum mime_content content)
{
    bool eight = has_encoding(state, "8bit") || has_encoding(state, "binary"), good;

    state->quoting = eight && content == MIME_LEAF;
    good = put_encoding(state, !eight ? NULL : state->quoting ? "quoted-printable" : "7bit");
    text_clear(&state->encoding);
    state->holding = false;
    return good;
}

static bool header_place_line(struct mime_downgrade *state, enum mime_line_kind kind, const char *line, size_t length)
{
    size_t name;

    if (kind == MIME_FIELD) {
        state->holding =
            header_line(line, length, &name) && header_find(line, name)->id == HEADER_CONTENT_TRANSFER_ENCODING;
        if (state->holding)
            text_clear(&state->encoding);
    }
    if (!state->holding)
        return state->out(state->context, line, length);
    if (state->encoding.length + length < FIELD_LIMIT)
        text_append_bytes(&state->encoding, line, length);
    text_append_char(&state->encoding, '\n');
    return true;
}

/* ---- bodies ---- */

/* RFC 2045 section 6.7; a blank at the end of a line is encoded. */
static bool quote_line(struct mime_downgrade *state, const char *line, size_t length)
{
    text_clear(&state->line);
    for (size_t i = 0; i < length; i++) {
        char c = line[i];
        bool blank = c == ' ' || c == '\t';
        bool plain = (ascii_is_printable(c) || c == '\t') && c != '=' && !(blank && i + 1 == length);

        if (state->line.length + (plain ? 1 : 3) > QUOTED_LINE_LIMIT) {
            text_append_char(&state->line, '=');
            if (!state->out(state->context, state->line.data, state->line.length))
                return false;
            text_clear(&state->line);
        }
        if (plain)
            text_append_char(&state->line, c);
        else
            text_append_format(&state->line, "=%02X", (unsigned char)c);
    }
    return state->out(state->context, text_string(&state->line), state->line.length);
}

bool mime_downgrade_line(struct mime_downgrade *state, const char *line, size_t length)
{
    struct mime_line where = mime_parts_line(state->parts, line, length);

    if (where.header_ended && !end_header(state, where.content))
        return false;
    switch (where.kind) {
    case MIME_FIELD:
    case MIME_FOLD:
        return header_place_line(state, where.kind, line, length);
    case MIME_BODY:
        return state->quoting ? quote_line(state, line, length) : state->out(state->context, line, length);
    case MIME_BOUNDARY:
        state->quoting = false;
        return state->out(state->context, line, length);
    case MIME_BLANK:
        return state->out(state->context, line, length);
    }
    return false;
}

bool mime_downgrade_end(struct mime_downgrade *state)
{
    enum mime_content content;

    return !mime_parts_end(state->parts, &content) || end_header(state, content);
}
