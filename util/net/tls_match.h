/* tls_match - who a server has to be for a client to trust it: smtp_tls_security_level fingerprint, verify, secure,
 * dane, dane-only. */
#ifndef UTIL_NET_TLS_MATCH_H
#define UTIL_NET_TLS_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/arena.h"
#include "util/base/error.h"

/* One TLSA record (RFC 6698 section 2.1). */
struct tls_tlsa {
    uint8_t usage, selector, matching_type;
    const unsigned char *data;
    size_t length;
};

enum tls_match_by {
    TLS_MATCH_TRUST,       /* no name is looked at; a trusted chain makes it trusted, none makes it untrusted */
    TLS_MATCH_NAMES,       /* a trusted chain, and one of names */
    TLS_MATCH_FINGERPRINT, /* the certificate or its key has one of fingerprints; no chain is looked at */
    TLS_MATCH_DANE,        /* a TLSA record, as RFC 7672 says; names are for usage 2. Without a usable record there is no
                            * handshake: ask tls_tlsa_usable before */
};

struct tls_match {
    enum tls_match_by by;
    const char *const *names; /* "mail.example.com", or ".example.com": any name below it. NULL ends */
    bool many_labels;         /* *.example.com matches a.b.example.com: tls_wildcard_matches_multiple_labels */
    const char *const *fingerprints; /* "AB:CD:..." in the context's digest, any case. NULL ends */
    const struct tls_tlsa *tlsa;
    size_t tlsa_count;
    const char *const *anchors;   /* PEM texts that are trusted in place of the CAs: tafile=. NULL: none; NULL ends */
};

/* Whether a certificate made out to `presented` (which may begin with "*.") is good for `wanted` (which may begin
 * with "."). RFC 6125 section 6.4. */
bool tls_match_name(const char *presented, const char *wanted, bool many_labels);

/* Whether a TLSA record can be used at all: RFC 7672 section 3.1.3 (usage 2 and 3, known selector and matching type,
 * a digest of the right length). */
bool tls_tlsa_usable(const struct tls_tlsa *record);

/* "3 1 1 ABCDEF". */
const char *tls_tlsa_print(const struct tls_tlsa *record, struct arena *arena);

#endif
