/* address - IPv4 and IPv6 socket addresses, address blocks, and HOST:PORT as main.cf writes it. */
#ifndef UTIL_NET_ADDRESS_H
#define UTIL_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/base/error.h"

struct net_address {
    struct sockaddr_storage storage;
    socklen_t length; /* 0: no address */
};

enum { NET_ADDRESS_SIZE = 64, NET_HOST_LIMIT = 255 }; /* room for a printed address; longest host name */

/* Reads "192.0.2.1", "2001:db8::1", the same in [brackets], and with "IPv6:" before it (RFC 5321 section 4.1.3).
 * The port is 0. Names are not looked up. */
bool net_address_parse(const char *text, struct net_address *address);
struct net_address net_address_from_bytes(int family, const void *bytes); /* 4 or 16 of them, network order */
struct net_address net_address_from_socket(const struct sockaddr *socket_address, socklen_t length);
int net_address_family(const struct net_address *address);
uint16_t net_address_port(const struct net_address *address);
void net_address_set_port(struct net_address *address, uint16_t port);
const unsigned char *net_address_bytes(const struct net_address *address, size_t *length); /* network order */

/* "192.0.2.1" or "2001:db8::1"; what is no IP address prints as "unknown". Returns buffer. */
const char *net_address_print(const struct net_address *address, char buffer[NET_ADDRESS_SIZE]);

/* The same host; ports do not count. */
bool net_address_equal(const struct net_address *a, const struct net_address *b);

/* ::ffff:192.0.2.1 as 192.0.2.1; anything else as it is. */
struct net_address net_address_unmapped(const struct net_address *address);

bool net_address_is_loopback(const struct net_address *address);

/* ---- blocks of addresses ---- */
struct net_cidr {
    int family;
    unsigned bits; /* of the prefix */
    unsigned char bytes[16];
};

/* Reads "192.0.2.0/24", "192.0.2.1" (one host), "2001:db8::/32", "[2001:db8::]/32", "[2001:db8::1]". Bits set
 * behind the mask are refused, with Postfix's advice. */
bool net_cidr_parse(const char *pattern, struct net_cidr *cidr, struct error *error);
bool net_cidr_match(const struct net_cidr *cidr, const struct net_address *address);
/* The block of an address and its network mask (or a prefix length), host bits cleared. */
struct net_cidr net_cidr_of(const struct net_address *address, unsigned bits);
const char *net_cidr_print(const struct net_cidr *cidr, char buffer[NET_ADDRESS_SIZE]); /* "2001:db8::/32" */

/* ---- HOST:PORT ---- */
struct net_endpoint {
    char host[NET_HOST_LIMIT + 1]; /* without brackets; may be empty when allowed */
    uint16_t port;
    bool bracketed; /* [host]: no MX lookup */
};

/* Reads "host", "host:port", "[host]", "[host]:port", "[::1]:port"; the port is a number or a name of the services
 * database. A missing one is default_port's. */
bool net_endpoint_parse(const char *text, const char *default_port, struct net_endpoint *endpoint,
                        struct error *error);
/* A port by number or by name. */
bool net_port_parse(const char *text, uint16_t *port);

/* ---- names ---- */
/* Letters, digits, hyphens inside, labels of at most 63, no empty label, not all digits at the end; underscores are
 * let through, as the field does. A final dot is not. */
bool net_hostname_valid(const char *name);

/* ---- this machine ---- */
struct net_interface {
    struct net_address address;
    unsigned bits; /* of its network mask */
};

/* All addresses of the interfaces that are up. The array is freed by the caller. */
struct net_interface *net_interfaces_list(size_t *count, struct error *error);

#endif
