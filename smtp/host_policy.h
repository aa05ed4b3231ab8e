/* host_policy - how much TLS one host of a next hop has to have: as the next hop's policy says, or better, as the domain itself
 * publishes it: DANE (RFC 7672) goes first, then MTA-STS (RFC 8461). */
#ifndef SMTP_HOST_POLICY_H
#define SMTP_HOST_POLICY_H

#include "smtp/destination.h"
#include "smtp/tls_policy.h"
#include "smtp/trouble.h"

/* item: of the next hop whose policy it is. Fills *result, whose text is the arena's. False: the host is not to be
 * talked to now; trouble says why, and *result for reports (source, failure). From within a task. */
bool smtp_host_policy(const struct smtp_client *client, const char *item, const struct smtp_tls_policy *policy,
                      const struct smtp_host *host, struct arena *arena, struct smtp_tls_policy *result,
                      struct smtp_trouble *trouble);

/* Whether hosts may have other policies than their next hop: a kept session fits then only when its host's is known. */
bool smtp_host_policy_varies(const struct smtp_tls_policy *policy);

#endif
