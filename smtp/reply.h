/* reply - what an SMTP server answers: RFC 5321 section 4.2.
 *
 * Lines that do not start with three digits are taken as part of the text, as servers exist that send them. How much
 * is read and kept is limited, so that no server can fill the memory or keep a task for ever. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/delivery/dsn.h"
#include "util/base/arena.h"
#include "util/base/text.h"
#include "util/task/stream.h"

enum {
    REPLY_LINE_LIMIT = 2048,
    REPLY_TEXT_LIMIT = 8192, /* bytes kept of a reply; the rest is read and dropped */
    REPLY_LINES_LIMIT = 1000,
};

struct smtp_reply {
    int code;                 /* of the last line: 200 to 599 */
    char dsn[DSN_SIZE];       /* "5.1.1": as the last line has it if it fits the code, else "5.0.0" */
    struct text text;         /* the lines with codes, joined by line feeds; printable */
    bool damaged;             /* some line had no code */
    struct text line;         /* that was read last: its memory serves the next one */
};

/* STREAM_TOO_LONG: more lines than a sane server sends; the session is to end. */
enum stream_status smtp_reply_read(struct stream *stream, struct smtp_reply *reply);

/* The text in one line, for the log. */
const char *smtp_reply_line(const struct smtp_reply *reply, struct arena *arena);

/* Puts one line into the reply, with a NUL behind it: true when it is the last. */
bool smtp_reply_add_line(struct smtp_reply *reply, const char *line, size_t length);
void smtp_reply_clear(struct smtp_reply *reply); /* keeps the memory */
void smtp_reply_free(struct smtp_reply *reply);  /* what it holds */

#endif
