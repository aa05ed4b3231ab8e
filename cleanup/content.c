#include <string.h>

#include "cleanup/cleanup.h"
#include "mail/message/header.h"

static bool finished(const struct cleanup_message *message)
{
    return message->verdict.code != 0 || message->discard;
}

static bool checks_parts(const struct cleanup_message *message)
{
    const struct cleanup *cleanup = message->cleanup;

    return (message->open.flags & CLEANUP_FILTER) != 0 &&
           (!table_list_empty(cleanup->mime_header_checks) || !table_list_empty(cleanup->nested_header_checks));
}

void content_start(struct cleanup_message *message)
{
    message_writer_start_content(message->writer);
    message->content.place = CONTENT_HEADER;
    if (checks_parts(message))
        message->content.parts = mime_parts_new(&(struct mime_limits){
            (int)message->cleanup->mail->mime_nesting_limit,
            (size_t)message->cleanup->mail->mime_boundary_length_limit,
        });
    for (size_t i = 0; i < message->open.prepend.count; i++)
        headers_put(message, message->open.prepend.items[i]);
}

/* ---- body ---- */

/* The text as it is stored; `clean` holds it where it differs from what came. */
static const char *replace_stray_cr(const struct cleanup_message *message, const char *bytes, size_t length,
                                    struct text *clean)
{
    if (!message->cleanup->config->cleanup_replace_stray_cr_lf || memchr(bytes, '\r', length) == NULL)
        return bytes;
    text_append_bytes(clean, bytes, length);
    for (size_t i = 0; i < clean->length; i++)
        if (clean->data[i] == '\r')
            clean->data[i] = ' ';
    return clean->data;
}

static void write_text(struct cleanup_message *message, const char *bytes, size_t length, bool line_ends)
{
    struct text clean = {0};

    message_writer_text(message->writer, replace_stray_cr(message, bytes, length, &clean), length, line_ends);
    text_free(&clean);
}

static void write_lines(struct cleanup_message *message, const char *bytes, size_t length)
{
    struct text clean = {0};

    message_writer_lines(message->writer, replace_stray_cr(message, bytes, length, &clean), length);
    text_free(&clean);
}

static bool checks_body(const struct cleanup_message *message)
{
    const struct cleanup *cleanup = message->cleanup;

    return (message->open.flags & CLEANUP_FILTER) != 0 && !table_list_empty(cleanup->body_checks) &&
           message->content.body_checked < cleanup->config->body_checks_size_limit;
}

static void end_part_field(struct cleanup_message *message)
{
    struct content_state *content = &message->content;

    if (content->part_field.length == 0)
        return;
    if (checks_apply(message,
                     checks_for_field(message->cleanup, content->part_level, text_string(&content->part_field)),
                     "header", &content->part_field))
        headers_put(message, text_string(&content->part_field));
    text_clear(&content->part_field);
}

/* Is the line part of a header inside the body? Then it waits for the rest of its field. */
static bool take_part_header(struct cleanup_message *message, const struct text *line)
{
    struct content_state *content = &message->content;
    struct mime_line where = mime_parts_line(content->parts, text_string(line), line->length);
    size_t limit = (size_t)message->cleanup->mail->header_size_limit;

    if (where.kind == MIME_FOLD && content->part_field.length > 0 && content->part_field.length + line->length < limit) {
        text_append_char(&content->part_field, '\n');
        text_append_bytes(&content->part_field, text_string(line), line->length);
        return true;
    }
    end_part_field(message);
    if (where.kind != MIME_FIELD || memchr(line->data, '\0', line->length) != NULL)
        return false;
    text_append_bytes(&content->part_field, line->data, line->length);
    content->part_level = where.level;
    return true;
}

/* A line that has come whole, or a piece of a very long one, before which the checks stand. */
static void check_and_write(struct cleanup_message *message, bool line_ends)
{
    struct content_state *content = &message->content;
    bool first = !content->within_line, keep = true;

    content->within_line = !line_ends;
    if (content->parts != NULL && first && line_ends && take_part_header(message, &content->line)) {
        text_clear(&content->line);
        return;
    }
    if (checks_body(message)) {
        content->body_checked += (int64_t)content->line.length + 1;
        keep = checks_apply(message, message->cleanup->body_checks, "body", &content->line);
    }
    if (keep && !finished(message))
        write_text(message, text_string(&content->line), content->line.length, line_ends);
    text_clear(&content->line);
}

/* Does nobody want to look at the body from here on? */
static bool body_passes(const struct cleanup_message *message)
{
    return message->content.line.length == 0 && message->content.parts == NULL && !checks_body(message);
}

static void body_piece(struct cleanup_message *message, const char *bytes, size_t length, bool line_ends)
{
    struct content_state *content = &message->content;
    size_t limit = (size_t)message->cleanup->mail->line_length_limit;

    if (body_passes(message)) {
        write_text(message, bytes, length, line_ends);
        return;
    }
    while (content->line.length + length > limit && !finished(message)) {
        size_t part = limit - content->line.length;

        text_append_bytes(&content->line, bytes, part);
        check_and_write(message, false);
        bytes += part;
        length -= part;
    }
    text_append_bytes(&content->line, bytes, length);
    if (line_ends && !finished(message))
        check_and_write(message, true);
}

/* ---- header ---- */

static void end_field(struct cleanup_message *message)
{
    struct content_state *content = &message->content;

    if (content->header.length > 0)
        headers_take(message, &content->header);
    text_clear(&content->header);
}

static void end_header(struct cleanup_message *message)
{
    end_field(message);
    if (!finished(message))
        headers_add_missing(message);
    message->content.place = CONTENT_BODY;
}

static bool continues_field(const struct content_state *content)
{
    return content->header.length > 0 && content->line.length > 0 &&
           (content->line.data[0] == ' ' || content->line.data[0] == '\t');
}

static bool starts_field(const struct content_state *content)
{
    size_t name;

    return header_line(text_string(&content->line), content->line.length, &name);
}

static void extend_field(struct cleanup_message *message)
{
    struct content_state *content = &message->content;
    size_t limit = (size_t)message->cleanup->mail->header_size_limit;

    if (content->header.length > 0)
        text_append_char(&content->header, '\n');
    text_append_bytes(&content->header, text_string(&content->line), content->line.length);
    if (content->header.length > limit)
        text_truncate(&content->header, limit);
}

/* The line is no part of the header: the body starts here, behind an empty line that may be missing. */
static void start_body(struct cleanup_message *message, bool line_ends)
{
    struct text line = message->content.line;

    message->content.line = (struct text){0};
    end_header(message);
    if (!finished(message)) {
        message_writer_text(message->writer, "", 0, true);
        if (message->content.parts != NULL)
            mime_parts_line(message->content.parts, "", 0);
        if (line.length > 0)
            body_piece(message, line.data, line.length, line_ends);
    }
    text_free(&line);
}

static void header_line_ends(struct cleanup_message *message)
{
    struct content_state *content = &message->content;

    if (!continues_field(content)) {
        if (!starts_field(content)) {
            start_body(message, true);
            return;
        }
        end_field(message);
    }
    if (content->parts != NULL)
        mime_parts_line(content->parts, text_string(&content->line), content->line.length);
    extend_field(message);
    text_clear(&content->line);
}

static void header_piece(struct cleanup_message *message, const char *bytes, size_t length, bool line_ends)
{
    struct content_state *content = &message->content;
    size_t limit = (size_t)message->cleanup->mail->header_size_limit;

    if (!content->skipping)
        text_append_bytes(&content->line, bytes, length);
    if (content->line.length > limit && !continues_field(content) && !starts_field(content)) {
        start_body(message, line_ends);
        return;
    }
    if (content->line.length > limit) {
        text_truncate(&content->line, limit);
        content->skipping = true;
    }
    if (!line_ends)
        return;
    content->skipping = false;
    header_line_ends(message);
}

/* ---- both ---- */

static void check_writing(struct cleanup_message *message)
{
    int64_t limit = message->cleanup->mail->message_size_limit;

    if (message_writer_error(message->writer) != 0)
        message_fail_write(message, message_writer_error(message->writer), "write queue file");
    else if (limit > 0 && message_writer_content_size(message->writer) > limit)
        message_fail(message, 552, "5.3.4", "Error: message file too big");
}

void content_take(struct cleanup_message *message, const char *bytes, size_t length)
{
    if (message->content.place == CONTENT_NONE)
        content_start(message);
    while (length > 0 && !finished(message)) {
        const char *end;
        size_t piece;

        if (message->content.place == CONTENT_BODY && body_passes(message)) {
            write_lines(message, bytes, length);
            break;
        }
        end = memchr(bytes, '\n', length);
        piece = end != NULL ? (size_t)(end - bytes) : length;
        if (message->content.place == CONTENT_HEADER)
            header_piece(message, bytes, piece, end != NULL);
        else
            body_piece(message, bytes, piece, end != NULL);
        piece += end != NULL ? 1 : 0;
        bytes += piece;
        length -= piece;
    }
    if (!finished(message))
        check_writing(message);
}

void content_end(struct cleanup_message *message)
{
    struct content_state *content = &message->content;

    if (content->place == CONTENT_NONE)
        content_start(message);
    if (content->place == CONTENT_HEADER && content->line.length > 0)
        header_line_ends(message);
    if (content->place == CONTENT_HEADER)
        end_header(message);
    else if (content->line.length > 0)
        check_and_write(message, true);
    if (!finished(message))
        end_part_field(message);
    if (!finished(message))
        check_writing(message);
}
