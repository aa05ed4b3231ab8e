/* maildrop - which records a file in the maildrop queue may hold (contracts of postdrop(1) and pickup(8)).
 *
 * Whoever runs postdrop decides what comes in, so each record is checked before it is written, and again before it
 * is handed on: a grammar of three segments, fed record by record. */
#ifndef MAIL_QUEUE_MAILDROP_H
#define MAIL_QUEUE_MAILDROP_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/queue/record.h"
#include "util/base/error.h"

enum { MAILDROP_MODE_WRITING = 0644, MAILDROP_MODE_READY = 0744 }; /* pickup runs as another user than the owner */

enum maildrop_segment { MAILDROP_ENVELOPE, MAILDROP_CONTENT, MAILDROP_EXTRACTED, MAILDROP_COMPLETE };

struct maildrop_check {
    enum maildrop_segment segment; /* where the next record will be */
    bool has_sender, has_recipient;
};

enum maildrop_verdict {
    MAILDROP_KEEP,
    MAILDROP_SKIP,    /* an attribute that the sender may not set; error says so */
    MAILDROP_REFUSED, /* the whole message; error says why */
};

enum maildrop_verdict maildrop_check_record(struct maildrop_check *check, int type, const char *data, size_t length,
                                            struct error *error);

#endif
