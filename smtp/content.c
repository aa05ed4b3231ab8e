#include "smtp/content.h"

#include <string.h>

#include "mail/queue/message_file.h"

enum { PIECE = 4096, LINE_KEPT = 1 << 20 };

/* CR and LF within a line do not go out. */
static void copy_clean(char *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
    if (memchr(bytes, '\r', length) == NULL && memchr(bytes, '\n', length) == NULL)
        return;
    for (size_t i = 0; i < length; i++)
        if (to[i] == '\r' || to[i] == '\n')
            to[i] = ' ';
}

static bool put_clean(struct content_writer *writer, const char *bytes, size_t length)
{
    writer->column += length;
    while (length > 0) {
        size_t part = length < PIECE ? length : PIECE;
        char *to = stream_extend(writer->stream, part);

        if (to == NULL)
            return false;
        copy_clean(to, bytes, part);
        bytes += part;
        length -= part;
    }
    return true;
}

static bool end_line(struct content_writer *writer)
{
    writer->column = 0;
    return stream_write(writer->stream, "\r\n", 2) == STREAM_OK;
}

bool content_put(struct content_writer *writer, const char *bytes, size_t length, bool line_ends)
{
    if (writer->column == 0 && length > 0 && *bytes == '.' && stream_write(writer->stream, ".", 1) != STREAM_OK)
        return false;
    while (writer->line_limit > 0 && writer->column + length > writer->line_limit) {
        size_t room = writer->line_limit > writer->column ? writer->line_limit - writer->column : 0;

        if (!put_clean(writer, bytes, room) || !end_line(writer) || !put_clean(writer, " ", 1))
            return false;
        bytes += room;
        length -= room;
    }
    return put_clean(writer, bytes, length) && (!line_ends || end_line(writer));
}

bool content_end(struct content_writer *writer)
{
    if (writer->column > 0 && !end_line(writer))
        return false;
    return stream_write(writer->stream, ".\r\n", 3) == STREAM_OK;
}

/* ---- from the queue file ---- */

/* A whole line that needs nothing but its end, and a dot before its own. */
static bool put_short(struct content_writer *writer, const char *line, size_t length)
{
    size_t dot = length > 0 && *line == '.';
    char *to = stream_extend(writer->stream, dot + length + 2);

    if (to == NULL)
        return false;
    *to = '.';
    memcpy(to + dot, line, length);
    memcpy(to + dot + length, "\r\n", 2);
    return true;
}

/* The next such byte from there on; `known` is where it was looked for and found last, so that all is searched once. */
static const char *next_byte(const char *known, char byte, const char *from, const char *end)
{
    if (known >= from)
        return known;
    known = memchr(from, byte, (size_t)(end - from));
    return known != NULL ? known : end;
}

/* Most lines lie whole in the reader's buffer and are short and clean: those that do, up to the first record that is
 * none. */
static bool put_buffered(struct content_writer *writer, struct content_reader *reader)
{
    size_t limit = writer->line_limit > 0 && writer->line_limit < PIECE ? writer->line_limit : PIECE;
    size_t have, head, length;
    const char *start = content_reader_buffered(reader, &have), *end = start + have, *at = start;
    const char *carriage_return = start, *newline = start; /* the start is a type, no part of a line */
    bool ok = true;

    while (ok && record_head(at, (size_t)(end - at), &head, &length) &&
           (*at == RECORD_LINE || *at == RECORD_LINE_PART)) {
        const char *line = at + head;
        bool line_ends = *at == RECORD_LINE, whole = line_ends && writer->column == 0 && length <= limit;

        carriage_return = next_byte(carriage_return, '\r', line, end);
        newline = next_byte(newline, '\n', line, end);
        at = line + length;
        ok = whole && carriage_return >= at && newline >= at
                 ? put_short(writer, line, length)
                 : content_put(writer, line, length, line_ends);
    }
    content_reader_consume(reader, (size_t)(at - start));
    return ok;
}

static bool put_plain(struct content_writer *writer, struct content_reader *reader, bool *damaged)
{
    const char *bytes;
    size_t length;
    bool line_ends;

    while (content_reader_next(reader, &bytes, &length, &line_ends, damaged))
        if (!content_put(writer, bytes, length, line_ends) || !put_buffered(writer, reader))
            return false;
    return *damaged || content_end(writer);
}

static bool put_line(void *context, const char *line, size_t length)
{
    return content_put(context, line, length, true);
}

/* Lines come in pieces; one that is too long even to be kept is cut. */
static bool put_downgraded(struct content_writer *writer, struct content_reader *reader,
                           const struct mime_limits *limits, bool *damaged)
{
    struct mime_downgrade *downgrade = mime_downgrade_new(limits, put_line, writer);
    struct text line = {0};
    const char *bytes;
    size_t length;
    bool line_ends, ok = true;

    while (ok && content_reader_next(reader, &bytes, &length, &line_ends, damaged)) {
        text_append_bytes(&line, bytes, length);
        if (!line_ends && line.length < LINE_KEPT)
            continue;
        ok = mime_downgrade_line(downgrade, text_string(&line), line.length);
        text_clear(&line);
    }
    if (ok && line.length > 0)
        ok = mime_downgrade_line(downgrade, text_string(&line), line.length);
    ok = ok && (*damaged || (mime_downgrade_end(downgrade) && content_end(writer)));
    mime_downgrade_free(downgrade);
    text_free(&line);
    return ok;
}

enum content_status content_send(struct stream *stream, int fd, off_t data_offset, size_t line_limit,
                                 const struct mime_limits *downgrade)
{
    struct content_writer writer = {.stream = stream, .line_limit = line_limit};
    struct content_reader *reader = content_reader_new(fd, data_offset);
    bool damaged = false, ok;

    ok = downgrade != NULL ? put_downgraded(&writer, reader, downgrade, &damaged)
                           : put_plain(&writer, reader, &damaged);
    content_reader_free(reader);
    return damaged ? CONTENT_DAMAGED : ok ? CONTENT_SENT : CONTENT_LOST;
}

bool content_has_utf8_headers(int fd, off_t data_offset)
{
    struct content_reader *reader = content_reader_new(fd, data_offset);
    const char *bytes;
    size_t length;
    bool line_ends, damaged, line_start = true, found = false;

    while (!found && content_reader_next(reader, &bytes, &length, &line_ends, &damaged)) {
        if (line_start && line_ends && length == 0)
            break;
        for (size_t i = 0; i < length; i++)
            found = found || (bytes[i] & 0x80) != 0;
        line_start = line_ends;
    }
    content_reader_free(reader);
    return found;
}
