/* xclient - clients that speak for others: XCLIENT makes them the client for the rest of the session, XFORWARD has them
 * named in the log and the queue file for one message. Both are Postfix's; values are xtext (RFC 3461 section 4). */
#ifndef SMTPD_XCLIENT_H
#define SMTPD_XCLIENT_H

#include "smtpd/session.h"

/* EHLO: appends the line with what we know of it, for clients that may. */
void xclient_announce(struct smtp_session *session, struct text *lines);
void xforward_announce(struct smtp_session *session, struct text *lines);

/* What XFORWARD said; NULL: nothing. */
struct forwarded_client {
    struct arena *arena;
    const char *name, *address, *port, *protocol, *helo, *ident;
    const char *source; /* "LOCAL" or "REMOTE" */
};

void xforward_forget(struct smtp_session *session);
bool xforward_names_client(const struct smtp_session *session);
/* "name[address]" */
const char *xforward_origin(const struct smtp_session *session, struct arena *arena);
bool xforward_local(const struct smtp_session *session, bool otherwise);
/* ", orig_queue_id=..., orig_client=..." */
void xforward_append_log(const struct smtp_session *session, struct text *line);

#endif
