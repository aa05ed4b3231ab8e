/* sts - MTA-STS on the sending side (RFC 8461 sections 4 and 5): what the policy of a next hop's domain asks of its hosts. */
#ifndef SMTP_STS_H
#define SMTP_STS_H

#include "smtp/destination.h"
#include "smtp/tls_policy.h"
#include "smtp/trouble.h"

/* Asks mtasts, when smtp_mta_sts is on and the next hop is one that can have a policy, and hangs what it says on *policy, which the
 * identity tells then too. An entry of smtp_tls_policy_maps goes first, and so does a level of fingerprint or above. False: the answer
 * is not to be had; trouble says why, and mail waits: a domain that asks for protection must not lose it because a service
 * of ours is down. */
bool smtp_sts_find(const struct smtp_client *client, const char *item, struct arena *arena, struct smtp_tls_policy *policy,
                   struct smtp_trouble *trouble);

/* What the policy asks of one host that DANE does not protect. False: the host is not to have the mail; trouble says why. */
bool smtp_sts_host_policy(const struct smtp_tls_policy *policy, const struct smtp_host *host, struct arena *arena,
                          struct smtp_tls_policy *result, struct smtp_trouble *trouble);

/* RFC 8461 section 4.1: a pattern is a name, or "*." and a name, where the star is one label. NULL ends the patterns. */
bool smtp_sts_mx_matches(const char *const *patterns, const char *host);

#endif
