#include "util/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "util/base/text.h"

static struct sockaddr_in *as_ipv4(struct net_address *address)
{
    return (struct sockaddr_in *)(void *)&address->storage;
}

static struct sockaddr_in6 *as_ipv6(struct net_address *address)
{
    return (struct sockaddr_in6 *)(void *)&address->storage;
}

struct net_address net_address_from_bytes(int family, const void *bytes)
{
    struct net_address address = {0};

    address.storage.ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        memcpy(&as_ipv4(&address)->sin_addr, bytes, 4);
        address.length = sizeof(struct sockaddr_in);
    } else if (family == AF_INET6) {
        memcpy(&as_ipv6(&address)->sin6_addr, bytes, 16);
        address.length = sizeof(struct sockaddr_in6);
    }
    return address;
}

struct net_address net_address_from_socket(const struct sockaddr *socket_address, socklen_t length)
{
    struct net_address address = {0};

    if (length > sizeof address.storage)
        length = sizeof address.storage;
    memcpy(&address.storage, socket_address, length);
    address.length = length;
    return address;
}

int net_address_family(const struct net_address *address)
{
    return address->length > 0 ? address->storage.ss_family : AF_UNSPEC;
}

const unsigned char *net_address_bytes(const struct net_address *address, size_t *length)
{
    const struct sockaddr_in *ipv4 = (const void *)&address->storage;
    const struct sockaddr_in6 *ipv6 = (const void *)&address->storage;

    switch (net_address_family(address)) {
    case AF_INET:
        *length = 4;
        return (const unsigned char *)&ipv4->sin_addr;
    case AF_INET6:
        *length = 16;
        return (const unsigned char *)&ipv6->sin6_addr;
    default:
        *length = 0;
        return (const unsigned char *)"";
    }
}

bool net_address_parse(const char *text, struct net_address *address)
{
    char plain[NET_ADDRESS_SIZE];
    unsigned char bytes[16];
    size_t length = strlen(text);

    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (length >= sizeof plain)
        return false;
    memcpy(plain, text, length);
    plain[length] = '\0';
    text = plain;
    if (string_starts_ignore_case(text, "IPv6:"))
        text += strlen("IPv6:");
    else if (inet_pton(AF_INET, text, bytes) == 1) {
        *address = net_address_from_bytes(AF_INET, bytes);
        return true;
    }
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return false;
    *address = net_address_from_bytes(AF_INET6, bytes);
    return true;
}

uint16_t net_address_port(const struct net_address *address)
{
    struct net_address copy = *address;

    switch (net_address_family(address)) {
    case AF_INET:
        return ntohs(as_ipv4(&copy)->sin_port);
    case AF_INET6:
        return ntohs(as_ipv6(&copy)->sin6_port);
    default:
        return 0;
    }
}

void net_address_set_port(struct net_address *address, uint16_t port)
{
    if (net_address_family(address) == AF_INET)
        as_ipv4(address)->sin_port = htons(port);
    else if (net_address_family(address) == AF_INET6)
        as_ipv6(address)->sin6_port = htons(port);
}

const char *net_address_print(const struct net_address *address, char buffer[NET_ADDRESS_SIZE])
{
    size_t length;
    const unsigned char *bytes = net_address_bytes(address, &length);

    if (length == 0 || inet_ntop(net_address_family(address), bytes, buffer, NET_ADDRESS_SIZE) == NULL)
        snprintf(buffer, NET_ADDRESS_SIZE, "unknown");
    return buffer;
}

bool net_address_equal(const struct net_address *a, const struct net_address *b)
{
    size_t length_a, length_b;
    const unsigned char *bytes_a = net_address_bytes(a, &length_a), *bytes_b = net_address_bytes(b, &length_b);

    return length_a == length_b && length_a > 0 && memcmp(bytes_a, bytes_b, length_a) == 0;
}

struct net_address net_address_unmapped(const struct net_address *address)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    size_t length;
    const unsigned char *bytes = net_address_bytes(address, &length);
    struct net_address plain;

    if (length != 16 || memcmp(bytes, mapped, sizeof mapped) != 0)
        return *address;
    plain = net_address_from_bytes(AF_INET, bytes + sizeof mapped);
    net_address_set_port(&plain, net_address_port(address));
    return plain;
}

bool net_address_is_loopback(const struct net_address *address)
{
    struct net_address plain = net_address_unmapped(address);
    size_t length;
    const unsigned char *bytes = net_address_bytes(&plain, &length);

    if (length == 4)
        return bytes[0] == 127;
    return length == 16 && memcmp(bytes, &in6addr_loopback, 16) == 0;
}
