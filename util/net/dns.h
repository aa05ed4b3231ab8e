/* dns - DNS lookups from tasks, by c-ares.
 *
 * Answers are remembered for no longer than their time to live, in bounded memory, and equal questions that are
 * asked at the same time go out once. /etc/resolv.conf is read again when it has changed. */
#ifndef UTIL_NET_DNS_H
#define UTIL_NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/arena.h"
#include "util/base/clock.h"
#include "util/base/error.h"
#include "util/net/address.h"

/* The numbers of RFC 1035 and its successors; any other number may be asked for too and gives raw data. */
enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_TLSA = 52,
};

enum dns_status {
    DNS_OK,
    DNS_NOT_FOUND,  /* there is no such name (NXDOMAIN) */
    DNS_NO_DATA,    /* the name has nothing of this type */
    DNS_NULL_MX,    /* the domain says that it takes no mail (RFC 7505) */
    DNS_TRY_AGAIN,  /* no answer in time, or the server failed: ask again later */
    DNS_INVALID,    /* the answer (or the name asked for) is malformed */
    DNS_REFUSED,    /* lookups are switched off or not allowed */
    DNS_CANCELLED,  /* this task was */
};

struct dns_record {
    enum dns_type type;
    uint32_t ttl;               /* seconds still left */
    uint16_t preference;        /* MX; SRV: priority */
    uint16_t weight, port;      /* SRV */
    const char *owner;          /* behind the CNAMEs */
    const char *name;           /* CNAME, PTR, NS, MX, SRV: without the final dot; TXT: the strings joined */
    struct net_address address; /* A, AAAA; port 0 */
    const unsigned char *data;  /* the record's data as it came */
    size_t length;
};

struct dns_answer {
    struct dns_record *records; /* in the order of the reply */
    size_t count;
    const char *canonical;    /* the name at the end of the CNAMEs */
    const char *last_alias;   /* internal: a CNAME that leads out of this reply, or NULL */
    bool authentic;           /* the AD flag; worth as much as the way to the name server */
    uint32_t ttl;             /* the least of all, the SOA's for a negative answer */
};

struct dns;

struct dns_settings {
    const char *servers; /* "127.0.0.1:5353, [::1]:5300"; NULL or "": the system's */
    size_t cache_limit;  /* answers remembered; 0: the default of 4096 */
};

/* NULL: see error. Needs the loop; owned by the caller. */
struct dns *dns_new(const struct dns_settings *settings, struct error *error);
void dns_free(struct dns *dns); /* no task may be waiting in it. NULL is fine */

/* Asks, from within a task, and follows CNAMEs; a name beyond ASCII is asked for as DNS has it (ascii_name.h). The
 * answer lives in the arena. Unless DNS_OK, error (may be NULL) has the text as Postfix words it: "Host or domain name
 * not found. Name service error for name=x type=MX: Host not found". */
enum dns_status dns_lookup(struct dns *dns, const char *name, enum dns_type type, struct deadline deadline,
                           struct arena *arena, struct dns_answer *answer, struct error *error);

const char *dns_type_name(enum dns_type type, char buffer[16]);
bool dns_type_by_name(const char *name, enum dns_type *type); /* any case; false: there is no such one here */
/* The name to ask for the PTR of an address: "1.2.0.192.in-addr.arpa". Also as the start of a DNS list's question:
 * with suffix "zen.example" it gives "1.2.0.192.zen.example". */
const char *dns_reverse_name(const struct net_address *address, const char *suffix, struct arena *arena);

/* What getaddrinfo says (files, DNS, whatever the system is set to), in a worker thread. */
enum dns_status dns_lookup_native(const char *name, int family, struct arena *arena, struct dns_answer *answer,
                                  struct error *error);

/* Who is at the other end: the name by reverse lookup (hosts file first, then PTR), believed only when the name
 * leads back to the address. */
struct dns_client_name {
    const char *name;         /* verified, or "unknown" */
    const char *reverse_name; /* as PTR has it, or "unknown" */
    enum dns_status status;         /* DNS_OK when name is verified; DNS_TRY_AGAIN: could not be found out now */
    enum dns_status reverse_status; /* of the reverse lookup alone */
    bool mismatch; /* reverse_name has addresses, but not this one */
};

void dns_client_lookup(struct dns *dns, const struct net_address *address, struct deadline deadline,
                       struct arena *arena, struct dns_client_name *client);

/* For dns.c and the tests of hostile replies: reads one reply to (name, type). */
enum dns_status dns_answer_parse(const unsigned char *reply, size_t length, const char *name, enum dns_type type,
                                 struct arena *arena, struct dns_answer *answer);

#endif
