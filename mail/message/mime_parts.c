#include "mail/message/mime_parts.h"

#include <stdlib.h>
#include <string.h>

#include "mail/message/header.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum { FIELD_LIMIT = 16 * 1024 }; /* of a Content-Type field that is kept */

struct mime_parts {
    struct mime_limits limits;
    bool in_header;
    enum mime_header_level level;
    int depth;
    struct text *boundaries; /* of the multiparts around this place, outermost first */
    size_t boundary_count;
    struct text type; /* the body of the Content-Type field of this header */
    bool taking_type; /* its folds are being read */
};

struct mime_parts *mime_parts_new(const struct mime_limits *limits)
{
    struct mime_parts *parts = memory_new(sizeof *parts);

    parts->limits = *limits;
    parts->in_header = true;
    return parts;
}

static void pop_boundaries(struct mime_parts *parts, size_t count)
{
    while (parts->boundary_count > count)
        text_free(&parts->boundaries[--parts->boundary_count]);
}

void mime_parts_free(struct mime_parts *parts)
{
    if (parts == NULL)
        return;
    pop_boundaries(parts, 0);
    free(parts->boundaries);
    text_free(&parts->type);
    free(parts);
}

/* ---- headers ---- */

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

static void enter_multipart(struct mime_parts *parts)
{
    struct text boundary = {0};

    find_boundary(text_string(&parts->type), parts->limits.boundary_length, &boundary);
    if (boundary.length == 0) {
        text_free(&boundary);
        return;
    }
    parts->boundaries = memory_resize(parts->boundaries, (parts->boundary_count + 1) * sizeof *parts->boundaries);
    parts->boundaries[parts->boundary_count++] = boundary;
}

static enum mime_content content_of(const char *type)
{
    type += strspn(type, " \t");
    if (string_starts_ignore_case(type, "multipart/"))
        return MIME_MULTIPART;
    if (string_starts_ignore_case(type, "message/rfc822") || string_starts_ignore_case(type, "message/global"))
        return MIME_MESSAGE;
    return MIME_LEAF;
}

static enum mime_content end_header(struct mime_parts *parts)
{
    enum mime_content content = content_of(text_string(&parts->type));
    bool descend = content != MIME_LEAF && parts->depth < parts->limits.nesting;

    parts->in_header = false;
    if (descend)
        parts->depth++;
    if (descend && content == MIME_MULTIPART)
        enter_multipart(parts);
    if (descend && content == MIME_MESSAGE) {
        parts->in_header = true;
        parts->level = MIME_NESTED;
    }
    text_clear(&parts->type);
    parts->taking_type = false;
    return content;
}

static void append_limited(struct text *field, const char *line, size_t length)
{
    if (field->length + length < FIELD_LIMIT)
        text_append_bytes(field, line, length);
}

static void start_field(struct mime_parts *parts, const char *line, size_t length, size_t name_length)
{
    const char *colon = memchr(line, ':', length);

    parts->taking_type = header_find(line, name_length)->id == HEADER_CONTENT_TYPE;
    if (!parts->taking_type)
        return;
    text_clear(&parts->type);
    append_limited(&parts->type, colon + 1, (size_t)(line + length - colon - 1));
}

static struct mime_line header_place_line(struct mime_parts *parts, const char *line, size_t length)
{
    struct mime_line result = {.kind = MIME_FIELD, .level = parts->level};
    size_t name_length;

    if (length > 0 && (*line == ' ' || *line == '\t')) {
        result.kind = MIME_FOLD;
        if (parts->taking_type)
            append_limited(&parts->type, line, length);
        return result;
    }
    if (header_line(line, length, &name_length)) {
        start_field(parts, line, length, name_length);
        return result;
    }
    /* Text right behind a header is body that lost its empty line. */
    result.kind = length == 0 ? MIME_BLANK : MIME_BODY;
    result.header_ended = true;
    result.content = end_header(parts);
    if (length > 0)
        parts->in_header = false;
    return result;
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
static bool find_level(const struct mime_parts *parts, const char *line, size_t length, size_t *level, bool *last)
{
    if (length < 3 || line[0] != '-' || line[1] != '-')
        return false;
    for (*level = parts->boundary_count; *level > 0; (*level)--) {
        const struct text *boundary = &parts->boundaries[*level - 1];
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

struct mime_line mime_parts_line(struct mime_parts *parts, const char *line, size_t length)
{
    struct mime_line result = {.kind = MIME_BODY, .level = parts->level};
    size_t level;
    bool last;

    if (find_level(parts, line, length, &level, &last)) {
        result.kind = MIME_BOUNDARY;
        result.header_ended = mime_parts_end(parts, &result.content);
        pop_boundaries(parts, last ? level - 1 : level);
        parts->depth = (int)parts->boundary_count;
        parts->in_header = !last;
        parts->level = MIME_PART;
        return result;
    }
    return parts->in_header ? header_place_line(parts, line, length) : result;
}

bool mime_parts_end(struct mime_parts *parts, enum mime_content *content)
{
    if (!parts->in_header)
        return false;
    *content = end_header(parts);
    parts->in_header = false;
    return true;
}
