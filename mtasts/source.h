/* source - where policies come from: the TXT record of a domain, and its policy host. */
#ifndef MTASTS_SOURCE_H
#define MTASTS_SOURCE_H

#include "mtasts/cache.h"
#include "mtasts/config.h"
#include "mtasts/policy.h"
#include "util/net/dns.h"

struct sts_source {
    const struct mtasts_config *config;
    struct dns *dns;
    bool ipv4, ipv6; /* inet_protocols */
};

/* In a task: what "_mta-sts.DOMAIN" says. id is filled when it is announced. */
enum sts_announcement sts_look_up(const struct sts_source *source, const char *domain, char id[STS_ID_LIMIT + 1]);

/* In a task: gets https://mta-sts.DOMAIN/.well-known/mta-sts.txt. Its text is the arena's, and a good policy. NULL: *failure and
 * error say why; TLS_FAILURE_NONE: nobody could be asked, because of something of this host's. */
const char *sts_fetch(const struct sts_source *source, const char *domain, struct arena *arena, enum tls_failure *failure,
                      struct error *error);

#endif
