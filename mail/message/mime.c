#include "mail/message/mime.h"

#include <stdlib.h>
#include <string.h>

#include "mail/message/header.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum { FIELD_LIMIT = 16 * 1024, QUOTED_LINE_LIMIT = 72 }; /* of a Content- field that is kept; RFC 2045: 76 */

enum mime_place { PLACE_HEADER, PLACE_LEAF, PLACE_QUOTED, PLACE_MULTIPART };

struct mime_downgrade {
    struct mime_limits limits;
    mime_line_fn *out;
    void *context;
    enum mime_place place;
    int depth;
    struct text *boundaries; /* of the multiparts around this place, outermost first */
    size_t boundary_count;
    struct text type;     /* the body of the Content-Type field of this header */
    struct text encoding; /* Content-Transfer-Encoding, the whole field as it came, lines ended by LF */
    struct text *taking;  /* the field whose folds are being read */
    bool holding;         /* this line's field is kept back */
    struct text line;
};

struct mime_downgrade *mime_downgrade_new(const struct mime_limits *limits, mime_line_fn *out, void *context)
{
    struct mime_downgrade *state = memory_new(sizeof *state);

    state->limits = *limits;
    state->out = out;
    state->context = context;
    return state;
}

static void pop_boundaries(struct mime_downgrade *state, size_t count)
{
    while (state->boundary_count > count)
        text_free(&state->boundaries[--state->boundary_count]);
}

void mime_downgrade_free(struct mime_downgrade *state)
{
    if (state == NULL)
        return;
    pop_boundaries(state, 0);
    free(state->boundaries);
    text_free(&state->type);
    text_free(&state->encoding);
    text_free(&state->line);
    free(state);
}

/* ---- fields ---- */

static bool has_encoding(const struct mime_downgrade *state, const char *encoding)
{
    char *copy = memory_copy_string(text_string(&state->encoding)), *value = strchr(copy, ':');
    bool same = value != NULL && string_equal_ignore_case(string_trim(value + 1), encoding);

    free(copy);
    return same;
}

/* The boundary parameter of a Content-Type (RFC 2045 section 5.1), quotes taken away. */
static void find_boundary(const char *type, size_t limit, struct text *boundary)
{
    const char *at = type;

    text_clear(boundary);
    while ((at = strchr(at, ';')) != NULL) {
        at++;
        at += strspn(at, " \t\r\n");
        if (!string_starts_ignore_case(at, "boundary"))
            continue;
        at += strlen("boundary");
        at += strspn(at, " \t\r\n");
        if (*at != '=')
            continue;
        at++;
        at += strspn(at, " \t\r\n");
        if (*at != '"') {
            text_append_bytes(boundary, at, strcspn(at, "; \t\r\n"));
        } else {
            for (at++; *at != '\0' && *at != '"'; at++) {
                if (*at == '\\' && at[1] != '\0')
                    at++;
                text_append_char(boundary, *at);
            }
        }
        break;
    }
    if (boundary->length > limit)
        text_truncate(boundary, limit);
}

static void enter_multipart(struct mime_downgrade *state)
{
    struct text boundary = {0};

    find_boundary(text_string(&state->type), state->limits.boundary_length, &boundary);
    if (boundary.length == 0) {
        text_free(&boundary);
        return;
    }
    state->boundaries =
        memory_resize(state->boundaries, (state->boundary_count + 1) * sizeof *state->boundaries);
    state->boundaries[state->boundary_count++] = boundary;
    state->place = PLACE_MULTIPART;
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

static bool end_header(struct mime_downgrade *state)
{
    const char *type = text_string(&state->type) + strspn(text_string(&state->type), " \t");
    bool multipart = string_starts_ignore_case(type, "multipart/");
    bool message = string_starts_ignore_case(type, "message/rfc822") || string_starts_ignore_case(type, "message/global");
    bool eight = has_encoding(state, "8bit") || has_encoding(state, "binary");
    bool descend = (multipart || message) && state->depth < state->limits.nesting;

    state->place = eight && !multipart && !message ? PLACE_QUOTED : PLACE_LEAF;
    if (!put_encoding(state, !eight ? NULL : state->place == PLACE_QUOTED ? "quoted-printable" : "7bit"))
        return false;
    if (descend)
        state->depth++;
    if (descend && multipart)
        enter_multipart(state);
    else if (descend && message)
        state->place = PLACE_HEADER;
    text_clear(&state->type);
    text_clear(&state->encoding);
    state->taking = NULL;
    return true;
}

static void append_limited(struct text *field, const char *line, size_t length)
{
    if (field->length + length < FIELD_LIMIT)
        text_append_bytes(field, line, length);
}

static bool header_place_line(struct mime_downgrade *state, const char *line, size_t length)
{
    bool fold = length > 0 && (*line == ' ' || *line == '\t');
    size_t name;
    enum header_kind_id id;

    if (!fold) {
        state->taking = NULL;
        if (!header_line(line, length, &name)) {
            if (!end_header(state))
                return false;
            /* Text right behind the header is body that lost its empty line. */
            return length == 0 ? state->out(state->context, line, 0) : mime_downgrade_line(state, line, length);
        }
        id = header_find(line, name)->id;
        if (id == HEADER_CONTENT_TYPE) {
            const char *colon = memchr(line, ':', length);

            text_clear(&state->type);
            state->taking = &state->type;
            append_limited(&state->type, colon + 1, (size_t)(line + length - colon - 1));
            return state->out(state->context, line, length);
        }
        if (id == HEADER_CONTENT_TRANSFER_ENCODING) {
            text_clear(&state->encoding);
            state->taking = &state->encoding;
        }
    }
    if (state->taking != NULL)
        append_limited(state->taking, line, length);
    if (state->taking == &state->encoding) {
        text_append_char(&state->encoding, '\n');
        return true;
    }
    return state->out(state->context, line, length);
}

/* ---- bodies ---- */

static bool all_blank(const char *bytes, size_t length)
{
    while (length > 0 && ascii_is_space(*bytes)) {
        bytes++;
        length--;
    }
    return length == 0;
}

/* Is the line a boundary of one of the multiparts around? *last: of its end. */
static bool find_level(const struct mime_downgrade *state, const char *line, size_t length, size_t *level, bool *last)
{
    if (length < 3 || line[0] != '-' || line[1] != '-')
        return false;
    for (*level = state->boundary_count; *level > 0; (*level)--) {
        const struct text *boundary = &state->boundaries[*level - 1];
        const char *rest = line + 2 + boundary->length;
        size_t left;

        if (length < 2 + boundary->length || memcmp(line + 2, boundary->data, boundary->length) != 0)
            continue;
        left = length - 2 - boundary->length;
        *last = left >= 2 && rest[0] == '-' && rest[1] == '-';
        if (all_blank(rest + (*last ? 2 : 0), left - (*last ? 2 : 0)))
            return true;
    }
    return false;
}

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
    size_t level;
    bool last;

    if (find_level(state, line, length, &level, &last)) {
        if (state->place == PLACE_HEADER && !end_header(state))
            return false;
        pop_boundaries(state, last ? level - 1 : level);
        state->depth = (int)state->boundary_count;
        state->place = last ? PLACE_MULTIPART : PLACE_HEADER;
        return state->out(state->context, line, length);
    }
    switch (state->place) {
    case PLACE_HEADER:
        return header_place_line(state, line, length);
    case PLACE_QUOTED:
        return quote_line(state, line, length);
    default:
        return state->out(state->context, line, length);
    }
}

bool mime_downgrade_end(struct mime_downgrade *state)
{
    return state->place != PLACE_HEADER || end_header(state);
}
