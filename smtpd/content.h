/* content - turns what follows DATA or BDAT into plain text with LF line ends (RFC 5321 section 4.5.2, RFC 3030).
 *
 * What ends DATA is the whole point (SMTP smuggling): with BARE_NEWLINE_NORMALIZE and _REJECT it is CR LF "." CR LF
 * and nothing else; with _NO a line of a dot that ends anyhow. A CR that is not part of a line end stays. */
#ifndef SMTPD_CONTENT_H
#define SMTPD_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "smtpd/session.h"
#include "util/base/text.h"

struct content_decoder {
    enum bare_newline mode;
    bool dots;          /* DATA: a dot at the start of a line is doubled, a line of one ends the content */
    bool ended;         /* the final line was consumed */
    bool bare_newline;  /* a line ended in LF alone */
    bool after_crlf;    /* the line before this one ended in CR LF (or there is none) */
    size_t held;        /* CRs at the end of what was fed, not passed on yet */
    bool at_start;      /* no byte of this line was seen */
    bool only_dot;      /* the line began with a dot, held back, and nothing but CRs came after it */
};

void content_decoder_init(struct content_decoder *decoder, enum bare_newline mode, bool dots);

/* Decodes bytes, appending to out. Returns how many were consumed: all, unless the content ended before. */
size_t content_decode(struct content_decoder *decoder, const char *bytes, size_t length, struct text *out);

/* BDAT: the last chunk is over; a line without an end gets one. */
void content_decoder_finish(struct content_decoder *decoder, struct text *out);

#endif
