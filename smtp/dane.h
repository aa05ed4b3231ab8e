/* dane - TLS as a domain publishes it in signed DNS: TLSA records (RFC 6698, 7671, 7672).
 *
 * A host's records are believed only when the answers that led to them are authentic, as the name server says (AD); an
 * answer that should be there and cannot be had is trouble, never a reason for less. */
#ifndef SMTP_DANE_H
#define SMTP_DANE_H

#include "smtp/destination.h"
#include "smtp/tls_policy.h"
#include "smtp/trouble.h"

enum smtp_dane {
    SMTP_DANE_NONE,    /* not asked for, or nothing is published: another policy holds */
    SMTP_DANE_APPLIES, /* *result is the host's policy */
    SMTP_DANE_TROUBLE, /* the host is not to be talked to now; trouble says why, result->failure for reports */
};

/* What holds for a host of a next hop at level dane or dane-only; at any other level it is SMTP_DANE_NONE. All text is
 * the arena's. From within a task. */
enum smtp_dane smtp_dane_policy(const struct smtp_client *client, const struct smtp_tls_policy *policy,
                                const struct smtp_host *host, struct arena *arena, struct smtp_tls_policy *result,
                                struct smtp_trouble *trouble);

/* ---- for dane.c and its tests ---- */

/* The names below which a host's TLSA records may stand, the better one first, NULL behind them: RFC 7672 section 2.2.2.
 * alias_authentic: whether the host's name as such is a signed CNAME, asked where the addresses are not signed. */
void smtp_dane_bases(const struct smtp_host *host, bool alias_authentic, bool force, const char *bases[3]);

/* One record's data as it came. False: too short to be one. */
bool smtp_dane_read(const unsigned char *data, size_t length, struct tls_tlsa *record);

#endif
