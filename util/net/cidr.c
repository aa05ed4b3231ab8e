#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/text.h"
#include "util/net/address.h"

static void clear_host_bits(unsigned char *bytes, size_t length, unsigned bits)
{
    for (size_t i = 0; i < length; i++) {
        unsigned kept = bits >= (i + 1) * 8 ? 8 : bits > i * 8 ? bits - (unsigned)i * 8 : 0;

        bytes[i] &= (unsigned char)(0xff00u >> kept);
    }
}

struct net_cidr net_cidr_of(const struct net_address *address, unsigned bits)
{
    struct net_cidr cidr = {.family = net_address_family(address), .bits = bits};
    size_t length;
    const unsigned char *bytes = net_address_bytes(address, &length);

    memcpy(cidr.bytes, bytes, length);
    clear_host_bits(cidr.bytes, length, bits);
    return cidr;
}

const char *net_cidr_print(const struct net_cidr *cidr, char buffer[NET_ADDRESS_SIZE])
{
    struct net_address address = net_address_from_bytes(cidr->family, cidr->bytes);
    size_t length;

    net_address_print(&address, buffer);
    length = strlen(buffer);
    snprintf(buffer + length, NET_ADDRESS_SIZE - length, "/%u", cidr->bits);
    return buffer;
}

/* The digits behind the slash; -1 when they are no mask for an address of that many bits. */
static int parse_bits(const char *digits, size_t most)
{
    if (!string_all_digits(digits) || strlen(digits) > 3 || strtoul(digits, NULL, 10) > most)
        return -1;
    return (int)strtoul(digits, NULL, 10);
}

/* Takes [2001:db8::]/32 apart as 2001:db8:: and 32. False when it has no such shape. */
static bool split_pattern(const char *pattern, char *network, size_t size, const char **mask)
{
    const char *end = strrchr(pattern, '/');

    *mask = end != NULL ? end + 1 : NULL;
    if (end == NULL)
        end = pattern + strlen(pattern);
    if (*pattern == '[') {
        if (end - pattern < 2 || end[-1] != ']')
            return false;
        pattern++;
        end--;
    }
    if ((size_t)(end - pattern) >= size)
        return false;
    memcpy(network, pattern, (size_t)(end - pattern));
    network[end - pattern] = '\0';
    return *network != '\0';
}

bool net_cidr_parse(const char *pattern, struct net_cidr *cidr, struct error *error)
{
    char network[NET_ADDRESS_SIZE], advice[NET_ADDRESS_SIZE];
    const char *mask;
    struct net_address address;
    struct net_cidr wide;
    size_t length;
    int bits;

    if (!split_pattern(pattern, network, sizeof network, &mask) || !net_address_parse(network, &address))
        return error_set(error, "bad network value in \"%s\"", pattern);
    net_address_bytes(&address, &length);
    bits = mask == NULL ? (int)length * 8 : parse_bits(mask, length * 8);
    if (bits < 0)
        return error_set(error, "bad mask %s in \"%s\"", string_all_digits(mask) ? "length" : "value", pattern);
    *cidr = net_cidr_of(&address, (unsigned)bits);
    wide = net_cidr_of(&address, (unsigned)length * 8);
    if (memcmp(cidr->bytes, wide.bytes, length) != 0)
        return error_set(error, "non-null host address bits in \"%s\", perhaps you should use \"%s\" instead", pattern,
                         net_cidr_print(cidr, advice));
    return true;
}

bool net_cidr_match(const struct net_cidr *cidr, const struct net_address *address)
{
    struct net_address plain = net_address_unmapped(address);
    struct net_cidr block;

    if (net_address_family(&plain) != cidr->family)
        return false;
    block = net_cidr_of(&plain, cidr->bits);
    return memcmp(block.bytes, cidr->bytes, sizeof block.bytes) == 0;
}
