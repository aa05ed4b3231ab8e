/* tls_policy - how much TLS a next hop has to have: smtp_tls_security_level and smtp_tls_policy_maps. */
#ifndef SMTP_TLS_POLICY_H
#define SMTP_TLS_POLICY_H

#include "mail/ipc/ipc.h"
#include "mail/tls/mail_tls.h"
#include "smtp/config.h"
#include "util/base/arena.h"

enum smtp_tls_level {
    SMTP_TLS_NONE,
    SMTP_TLS_MAY,         /* if the server offers it, whoever it is */
    SMTP_TLS_ENCRYPT,     /* or no mail */
    SMTP_TLS_DANE,        /* as TLSA records say, or may; from here on the server has to show who it is */
    SMTP_TLS_DANE_ONLY,   /* as TLSA records say, or no mail */
    SMTP_TLS_FINGERPRINT,
    SMTP_TLS_VERIFY,
    SMTP_TLS_SECURE,
};

struct smtp_tls_policy {
    enum smtp_tls_level level;
    struct tls_protocols protocols;
    const char *ciphers;
    const char *match;       /* names and strategies between blanks, commas or colons; or fingerprints */
    const char *server_name; /* "hostname", "nexthop", a name; "": none */
    const char *const *anchors; /* PEM texts that are trusted in place of the CAs, NULL at the end; NULL: none */
    const char *nexthop;     /* without brackets and port, as DNS and certificates have it */
    const char *identity;    /* the same for what is as good: sessions may be shared */
    bool administered;       /* smtp_tls_policy_maps has an entry for the next hop */
    bool public_cas;         /* the system's CAs are trusted too */
    bool mx_must_match;      /* only hosts that match mx_patterns may have the mail */
    const struct smtp_tls_policy *sts; /* of the next hop's domain, for hosts without DANE (sts.h); NULL: none */
    /* DANE (dane.h). For a host: the records, at level dane and dane-only. */
    const struct tls_tlsa *tlsa;
    size_t tlsa_count;
    bool forgeable; /* MX records that were not signed led to the host: a proof of who it is proves nothing more */
    struct smtp_tls_policy *without_tlsa; /* of a next hop at level dane: for a host without records; else NULL */
    /* For reports (RFC 8460). */
    const char *domain;      /* whose policy it is; nexthop, unless said otherwise */
    enum tls_policy_type source;
    const char *const *source_lines; /* the TLSA records, or the lines of the STS policy; NULL at the end; NULL: none */
    const char *const *mx_patterns;  /* of an STS policy; NULL at the end; NULL: none */
    enum tls_failure failure;        /* what is wrong already, although the mail may go: an STS policy that could not be had, or
                                      * (STS, testing) a host that it does not name */
    const char *failure_reason;      /* the same in words; NULL: nothing is wrong */
};

/* The word for a level; NULL: there is no such one. */
const char *smtp_tls_level_name(enum smtp_tls_level level);
bool smtp_tls_level_by_name(const char *name, enum smtp_tls_level *level);
bool smtp_tls_level_is_dane(enum smtp_tls_level level);

/* The policy for one item of a next hop, "[mail.example]:submission", as the tables or main.cf say. All text is the
 * arena's. False: see error; mail has to wait until an administrator mends it. */
bool smtp_tls_policy_find(const struct smtp_client *client, const char *item, struct arena *arena,
                          struct smtp_tls_policy *policy, struct error *error);

/* The same from the text of an entry, whatever the tables say: "secure match=hostname". The item is one that
 * smtp_tls_policy_find took. */
bool smtp_tls_policy_parse(const struct smtp_client *client, const char *item, const char *entry, struct arena *arena,
                           struct smtp_tls_policy *policy, struct error *error);

/* The policy for a message that asks to be sent whatever TLS is like (RFC 8689 section 3, TLS-Required: no): no table is
 * asked, and the level is may at most; encrypt in wrapper mode. As above otherwise. */
bool smtp_tls_policy_relaxed(const struct smtp_client *client, const char *item, struct arena *arena,
                             struct smtp_tls_policy *policy, struct error *error);

/* The names that the certificate of `host` may have, NULL at the end. */
const char *const *smtp_tls_policy_names(const struct smtp_tls_policy *policy, const char *host, struct arena *arena);
/* The fingerprints of match, NULL at the end. */
const char *const *smtp_tls_policy_fingerprints(const struct smtp_tls_policy *policy, struct arena *arena);
/* What SNI says to that host; NULL: nothing. */
const char *smtp_tls_policy_server_name(const struct smtp_tls_policy *policy, const char *host);

#endif
