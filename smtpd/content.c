#include "smtpd/content.h"

#include <string.h>

enum { HELD_LIMIT = 64 * 1024 }; /* nobody ends lines with so many */

void content_decoder_init(struct content_decoder *decoder, enum bare_newline mode, bool dots)
{
    *decoder = (struct content_decoder){.mode = mode, .dots = dots, .after_crlf = true, .at_start = true};
}

static void pass_held(struct content_decoder *decoder, struct text *out)
{
    for (; decoder->held > 0; decoder->held--)
        text_append_char(out, '\r');
}

/* The line goes on with a byte that is neither CR nor LF. */
static void go_on(struct content_decoder *decoder, struct text *out)
{
    /* A dot in front of something is the one that the client added; what was held behind it are CRs. */
    decoder->only_dot = false;
    pass_held(decoder, out);
}

/* A line that is a dot: the end of the content, if its line ends and the one before are what the mode wants. */
static bool ends_content(const struct content_decoder *decoder)
{
    if (!decoder->only_dot)
        return false;
    if (decoder->mode == BARE_NEWLINE_NO)
        return true;
    return decoder->after_crlf && decoder->held == 1;
}

/* A dot alone that does not end the content is content. A dot followed by CRs only was one added before a CR. */
static void pass_lone_dot(struct content_decoder *decoder, struct text *out)
{
    if (decoder->held <= 1)
        text_append_char(out, '.');
    decoder->only_dot = false;
}

static void end_line(struct content_decoder *decoder, struct text *out)
{
    bool crlf = decoder->held > 0;

    if (ends_content(decoder)) {
        decoder->ended = true;
        return;
    }
    if (decoder->only_dot)
        pass_lone_dot(decoder, out);
    if (decoder->mode == BARE_NEWLINE_NO)
        decoder->held = 0;
    else if (crlf)
        decoder->held--;
    pass_held(decoder, out);
    text_append_char(out, '\n');
    decoder->bare_newline = decoder->bare_newline || !crlf;
    decoder->after_crlf = crlf;
    decoder->at_start = true;
}

static void take_byte(struct content_decoder *decoder, char byte, struct text *out)
{
    if (byte == '\n') {
        end_line(decoder, out);
    } else if (byte == '\r') {
        if (decoder->held == HELD_LIMIT)
            go_on(decoder, out);
        decoder->held++;
        decoder->at_start = false;
    } else if (byte == '.' && decoder->dots && decoder->at_start) {
        decoder->only_dot = true;
        decoder->at_start = false;
    } else {
        go_on(decoder, out);
        text_append_char(out, byte);
        decoder->at_start = false;
    }
}

/* A line as most are: come whole, ended by CR LF, without another CR, and without a dot in front that means something.
 * `length` counts its end. */
static bool is_plain(const struct content_decoder *decoder, const char *line, size_t length)
{
    return decoder->at_start && length >= 2 && line[length - 2] == '\r' && (*line != '.' || !decoder->dots) &&
           memchr(line, '\r', length - 2) == NULL;
}

static void take_plain(struct content_decoder *decoder, const char *line, size_t length, struct text *out)
{
    text_append_bytes(out, line, length - 1);
    out->data[out->length - 1] = '\n';
    decoder->after_crlf = true;
}

/* A line, or a part of one: no LF but at its end. Runs of bytes that need no thought are taken at once. */
static void take_any(struct content_decoder *decoder, const char *bytes, size_t length, struct text *out)
{
    size_t at = 0, inner = bytes[length - 1] == '\n' ? length - 1 : length;

    while (at < length) {
        if (!decoder->at_start && decoder->held == 0 && !decoder->only_dot) {
            const char *carriage_return = memchr(bytes + at, '\r', inner - at);
            size_t run = carriage_return != NULL ? (size_t)(carriage_return - (bytes + at)) : inner - at;

            text_append_bytes(out, bytes + at, run);
            at += run;
        }
        if (at < length)
            take_byte(decoder, bytes[at++], out);
    }
}

size_t content_decode(struct content_decoder *decoder, const char *bytes, size_t length, struct text *out)
{
    size_t at = 0;

    text_reserve(out, length);
    while (at < length && !decoder->ended) {
        const char *line = bytes + at, *newline = memchr(line, '\n', length - at);
        size_t size = newline != NULL ? (size_t)(newline - line) + 1 : length - at;

        if (newline != NULL && is_plain(decoder, line, size))
            take_plain(decoder, line, size, out);
        else
            take_any(decoder, line, size, out);
        at += size;
    }
    return at;
}

void content_decoder_finish(struct content_decoder *decoder, struct text *out)
{
    pass_held(decoder, out);
    if (!decoder->at_start)
        text_append_char(out, '\n');
    decoder->ended = true;
}
