#include "smtp/reply.h"

#include <string.h>

#include "mail/delivery/dsn.h"

static void set_dsn(struct smtp_reply *reply, const char *text)
{
    const char fallback[] = {(char)('0' + reply->code / 100), '.', '0', '.', '0', '\0'};

    dsn_split(text, fallback, reply->dsn);
}

static bool has_code(const char *line, size_t length)
{
    return length >= 3 && line[0] >= '2' && line[0] <= '5' && ascii_is_digit(line[1]) && ascii_is_digit(line[2]) &&
           (length == 3 || line[3] == ' ' || line[3] == '-');
}

static void append_printable(struct text *text, const char *line, size_t length)
{
    size_t start = text->length, room = text->length < REPLY_TEXT_LIMIT ? REPLY_TEXT_LIMIT - text->length : 0;

    if (length > room)
        length = room;
    text_append_bytes(text, line, length);
    for (size_t i = start; i < text->length; i++)
        if (text->data[i] == '\0')
            text->data[i] = '?';
    if (text->length > start)
        string_printable(text->data + start, true);
}

bool smtp_reply_add_line(struct smtp_reply *reply, const char *line, size_t length)
{
    bool coded = has_code(line, length);

    if (reply->text.length > 0 && reply->text.length < REPLY_TEXT_LIMIT)
        text_append_char(&reply->text, '\n');
    append_printable(&reply->text, line, length);
    reply->damaged = reply->damaged || !coded;
    if (!coded || (length > 3 && line[3] == '-'))
        return false;
    reply->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    set_dsn(reply, length > 4 ? line + 4 : "");
    return true;
}

void smtp_reply_clear(struct smtp_reply *reply)
{
    text_clear(&reply->text);
    reply->code = 0;
    reply->damaged = false;
    reply->dsn[0] = '\0';
}

enum stream_status smtp_reply_read(struct stream *stream, struct smtp_reply *reply)
{
    struct text *line = &reply->line;
    enum stream_status status = STREAM_TOO_LONG;

    smtp_reply_clear(reply);
    for (int lines = 0; lines < REPLY_LINES_LIMIT; lines++) {
        status = stream_read_line(stream, line, REPLY_LINE_LIMIT, NULL);
        if (status != STREAM_OK && status != STREAM_TOO_LONG)
            break;
        if (smtp_reply_add_line(reply, text_string(line), line->length)) {
            status = STREAM_OK;
            break;
        }
        status = STREAM_TOO_LONG;
    }
    return status;
}

void smtp_reply_free(struct smtp_reply *reply)
{
    text_free(&reply->text);
    text_free(&reply->line);
}

const char *smtp_reply_line(const struct smtp_reply *reply, struct arena *arena)
{
    char *line = arena_copy_bytes(arena, text_string(&reply->text), reply->text.length);

    for (char *end = line; (end = strchr(end, '\n')) != NULL;)
        *end = ' ';
    return line;
}
