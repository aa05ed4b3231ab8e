/* mime_parts - says of each line of a message where it stands: in a header, which one, or in a body (RFC 2045, 2046).
 *
 * It follows multiparts by their boundaries, and messages within (message/rfc822, message/global). What is nested
 * deeper than the limit is body. */
#ifndef MAIL_MESSAGE_MIME_PARTS_H
#define MAIL_MESSAGE_MIME_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/message/mime.h"

enum mime_line_kind {
    MIME_FIELD,    /* the first line of a header field */
    MIME_FOLD,     /* the field goes on */
    MIME_BLANK,    /* the empty line that ends a header */
    MIME_BOUNDARY, /* of a multipart: before a part, or its end */
    MIME_BODY,
};

enum mime_header_level {
    MIME_PRIMARY, /* the message's own header */
    MIME_PART,    /* a multipart's part: what mime_header_checks are about */
    MIME_NESTED,  /* of a message within the message: nested_header_checks */
};

enum mime_content { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

struct mime_line {
    enum mime_line_kind kind;
    enum mime_header_level level; /* of the header at hand, or the last one */
    bool header_ended;            /* by this line: a blank one, or one that cannot be header */
    enum mime_content content;    /* what that header said it is the header of */
};

struct mime_parts;
struct mime_parts *mime_parts_new(const struct mime_limits *limits);
void mime_parts_free(struct mime_parts *parts);
struct mime_line mime_parts_line(struct mime_parts *parts, const char *line, size_t length);
/* There are no more lines: has a header ended thereby, and of what? */
bool mime_parts_end(struct mime_parts *parts, enum mime_content *content);

#endif
