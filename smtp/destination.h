/* destination - the next hop as transport tables and relayhost write it, and the addresses behind it.
 *
 * A next hop is a list, separated by blanks or commas, of host, host:port, [host], [host]:port. SMTP looks up a name
 * without brackets for MX hosts; LMTP does not, and knows unix:path and inet:host too. The result is a list of
 * addresses in the order in which to try them. */
#ifndef SMTP_DESTINATION_H
#define SMTP_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "smtp/config.h"
#include "smtp/trouble.h"
#include "util/base/arena.h"

/* One host that has addresses. */
struct smtp_host {
    const char *name; /* of the MX, or the next hop's own */
    unsigned preference;
    struct net_address address; /* with port */
    /* What nobody can have forged, with smtp_dns_support_level = dnssec (RFC 7672 section 2.2). */
    bool name_authentic;   /* that this host takes the mail: a signed MX record says so, or the next hop itself */
    bool authentic;        /* that it has this address */
    const char *canonical; /* its name at the end of the CNAMEs; NULL: it was not found in DNS */
    const char *domain;    /* the next hop at the end of its CNAMEs; NULL: it has no MX */
};

/* "mx.example[192.0.2.1]:25", "mail.example[private/store]" */
const char *smtp_host_relay(const struct smtp_host *host, struct arena *arena);
/* The same without the port. */
const char *smtp_host_peer(const struct smtp_host *host, struct arena *arena);
/* The path of a socket in the file system; NULL: an address of the network. */
const char *smtp_address_path(const struct net_address *address);

struct smtp_hosts {
    struct smtp_host *hosts;
    size_t count;
    bool local_mx; /* hosts of worse preference than ours were cut off: none of them may get it back */
};

/* Splits the list: the next item of *cursor into the arena, NULL at the end. */
const char *destination_next(const char **cursor, struct arena *arena);

/* Whether an item's hosts are those of its MX records. */
bool destination_uses_mx(const struct smtp_client *client, const struct net_endpoint *endpoint);

/* Finds the addresses of one item. False: trouble says why; dsn 4.x.x when it may pass. */
bool destination_lookup(const struct smtp_client *client, const char *item, struct arena *arena,
                        struct smtp_hosts *hosts, struct smtp_trouble *trouble);

/* ---- for destination.c and its tests ---- */

/* Sorts by preference; among equals at random when `shuffle`, then the preferred protocol first, with `any`
 * alternating. */
void destination_sort(struct smtp_hosts *hosts, bool shuffle, enum smtp_ip_preference preference);
/* Cuts off hosts from the preference of the first own address on. False: that is all of them. */
bool destination_cut_own(const struct smtp_client *client, struct smtp_hosts *hosts);
/* Keeps the first `limit`; with balance, addresses of the protocol that would vanish take up to half. */
void destination_limit(struct smtp_hosts *hosts, size_t limit, bool balance);

#endif
