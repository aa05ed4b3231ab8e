#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/net/address.h"

static bool is_internet(const struct sockaddr *address)
{
    return address != NULL && (address->sa_family == AF_INET || address->sa_family == AF_INET6);
}

static struct net_address read_address(const struct sockaddr *address)
{
    return net_address_from_socket(address, address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                                          : sizeof(struct sockaddr_in6));
}

static unsigned count_bits(const struct net_address *mask)
{
    size_t length;
    const unsigned char *bytes = net_address_bytes(mask, &length);
    unsigned bits = 0;

    for (size_t i = 0; i < length; i++)
        bits += (unsigned)__builtin_popcount(bytes[i]);
    return bits;
}

static struct net_interface read_interface(const struct ifaddrs *entry)
{
    struct net_interface interface = {.address = read_address(entry->ifa_addr)};
    struct net_address mask;
    size_t length;

    net_address_bytes(&interface.address, &length);
    interface.bits = (unsigned)length * 8;
    if (is_internet(entry->ifa_netmask)) {
        mask = read_address(entry->ifa_netmask);
        interface.bits = count_bits(&mask);
    }
    return interface;
}

struct net_interface *net_interfaces_list(size_t *count, struct error *error)
{
    struct ifaddrs *all;
    struct net_interface *interfaces = NULL;

    *count = 0;
    if (getifaddrs(&all) != 0) {
        error_set(error, "list of network interfaces: %s", strerror(errno));
        return NULL;
    }
    interfaces = memory_new(sizeof *interfaces);
    for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
        if (!(entry->ifa_flags & IFF_UP) || !is_internet(entry->ifa_addr))
            continue;
        interfaces = memory_resize(interfaces, (*count + 1) * sizeof *interfaces);
        interfaces[(*count)++] = read_interface(entry);
    }
    freeifaddrs(all);
    return interfaces;
}
