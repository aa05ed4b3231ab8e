#include "smtp/content.h"

#include <string.h>

#include "mail/queue/message_file.h"

enum { PIECE = 32768, LINE_KEPT = 1 << 20 };

static bool hand_on(struct content_writer *writer)
{
    enum stream_status status = stream_write(writer->stream, text_string(&writer->out), writer->out.length);

    text_clear(&writer->out);
    return status == STREAM_OK;
}

static void append_clean(struct content_writer *writer, const char *bytes, size_t length)
{
    size_t start = writer->out.length;

    text_append_bytes(&writer->out, bytes, length);
    writer->column += length;
    if (memchr(bytes, '\r', length) == NULL && memchr(bytes, '\n', length) == NULL)
        return;
    for (size_t i = start; i < writer->out.length; i++)
        if (writer->out.data[i] == '\r' || writer->out.data[i] == '\n')
            writer->out.data[i] = ' ';
}

static void end_line(struct content_writer *writer)
{
    text_append_bytes(&writer->out, "\r\n", 2);
    writer->column = 0;
}

bool content_put(struct content_writer *writer, const char *bytes, size_t length, bool line_ends)
{
    if (writer->column == 0 && length > 0 && *bytes == '.')
        text_append_char(&writer->out, '.');
    while (writer->line_limit > 0 && writer->column + length > writer->line_limit) {
        size_t room = writer->line_limit > writer->column ? writer->line_limit - writer->column : 0;

        append_clean(writer, bytes, room);
        bytes += room;
        length -= room;
        end_line(writer);
        text_append_char(&writer->out, ' ');
        writer->column = 1;
        if (writer->out.length >= PIECE && !hand_on(writer))
            return false;
    }
    if (length > 0)
        append_clean(writer, bytes, length);
    if (line_ends)
        end_line(writer);
    return writer->out.length < PIECE || hand_on(writer);
}

bool content_end(struct content_writer *writer)
{
    if (writer->column > 0)
        end_line(writer);
    text_append_bytes(&writer->out, ".\r\n", 3);
    return hand_on(writer);
}

/* ---- from the queue file ---- */

static bool put_plain(struct content_writer *writer, struct content_reader *reader, bool *damaged)
{
    const char *bytes;
    size_t length;
    bool line_ends;

    while (content_reader_next(reader, &bytes, &length, &line_ends, damaged))
        if (!content_put(writer, bytes, length, line_ends))
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
    text_free(&writer.out);
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
