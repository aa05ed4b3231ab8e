/* tls_status - the tls= of a delivery's log line: how TLS was used with the server at hand.
 *
 *     tls=may        encrypted                            tls=may:none    in the clear, since the server has no TLS
 *     tls=may?       undecided: no connection, or lost    tls=dane:encrypt  the host allowed for less than was asked */
#ifndef SMTP_TLS_STATUS_H
#define SMTP_TLS_STATUS_H

#include "smtp/session.h"
#include "smtp/tls_policy.h"
#include "util/base/arena.h"

/* "may"; "dane:encrypt" where the host's policy is weaker than the next hop's. */
const char *smtp_tls_status_level(const struct smtp_tls_policy *nexthop, const struct smtp_tls_policy *host,
                                  struct arena *arena);

/* What is logged. session: the one that was used; NULL: none was. */
const char *smtp_tls_status(const char *level, const struct smtp_session *session, struct arena *arena);

#endif
