/* content - a message's text on its way out: CRLF line ends, dots doubled, long lines broken, nothing else changed.
 *
 * Whatever the queue file holds, what goes out has no CR or LF but in CRLF pairs, so that the end of data stands
 * exactly where we put it (RFC 5321 sections 2.3.8 and 4.5.2). */
#ifndef SMTP_CONTENT_H
#define SMTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "mail/message/mime.h"
#include "util/task/stream.h"

/* Takes lines, or pieces of them, and puts them into the stream's buffer. */
struct content_writer {
    struct stream *stream;
    size_t line_limit; /* smtp_line_length_limit; 0: none */
    size_t column;     /* bytes of the line so far */
};

/* False: the stream has failed. */
bool content_put(struct content_writer *writer, const char *bytes, size_t length, bool line_ends);
/* Ends the line if need be, and the message: "." and CRLF. Everything is in the stream then, not yet flushed. */
bool content_end(struct content_writer *writer);

enum content_status {
    CONTENT_SENT,
    CONTENT_LOST,    /* the connection failed */
    CONTENT_DAMAGED, /* the queue file cannot be read: no end of data was sent */
};

/* The content of a queue file and the end of data. With downgrade, 8bit parts become quoted-printable. */
enum content_status content_send(struct stream *stream, int fd, off_t data_offset, size_t line_limit,
                                 const struct mime_limits *downgrade);

/* Does any header hold bytes that are not ASCII? */
bool content_has_utf8_headers(int fd, off_t data_offset);

#endif
