/* header - header fields: RFC 5322 section 2.2, one logical line with its folds. */
#ifndef MAIL_MESSAGE_HEADER_H
#define MAIL_MESSAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/text.h"

/* Is the line (without its end) the first of a header field? *name_length gets the length of its name; blanks may
 * stand before the colon. */
bool header_line(const char *line, size_t length, size_t *name_length);

/* What is known about a name, one row each: does it hold addresses, of senders or of recipients, resent or not. */
enum header_kind {
    HEADER_OTHER,
    HEADER_SENDER_ADDRESSES = 1,    /* From, Sender, Reply-To, Errors-To, ... */
    HEADER_RECIPIENT_ADDRESSES = 2, /* To, Cc, Bcc, ... */
    HEADER_RESENT = 4,
    HEADER_EXTRACT = 8, /* its recipients are those of sendmail -t */
    HEADER_DROP = 16,   /* Bcc, Content-Length, Return-Path: as message_drop_headers says */
};
enum header_kind_id { HEADER_NONE, HEADER_FROM, HEADER_DATE, HEADER_MESSAGE_ID, HEADER_TO, HEADER_CC, HEADER_BCC,
                      HEADER_RECEIVED, HEADER_RETURN_PATH, HEADER_CONTENT_LENGTH, HEADER_RESENT_FROM,
                      HEADER_RESENT_DATE, HEADER_RESENT_MESSAGE_ID, HEADER_RESENT_TO, HEADER_RESENT_CC,
                      HEADER_RESENT_BCC, HEADER_CONTENT_TYPE, HEADER_CONTENT_TRANSFER_ENCODING, HEADER_DELIVERED_TO,
                      HEADER_REQUIRE_TLS_ESMTP, HEADER_TLS_REQUIRED };

struct header_info {
    const char *name;
    size_t length; /* of the name */
    enum header_kind_id id;
    int kind; /* of enum header_kind */
};
const struct header_info *header_find(const char *name, size_t length); /* never NULL: the unknown's row */

#endif
