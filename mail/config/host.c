/* Defaults that depend on the machine and the process: the host's names, its networks, who is running. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/config/catalog.h"
#include "mail/config/config_internal.h"
#include "mail/config/mail_config.h"
#include "util/base/memory.h"

/* ---- names ---- */

static void get_host_name(char *name, size_t size)
{
    if (gethostname(name, size) != 0 || *name == '\0')
        strcpy(name, "localhost");
    name[size - 1] = '\0';
}

static void compute_myhostname(const struct config *config, struct text *result)
{
    char host[256];
    const char *domain;

    get_host_name(host, sizeof host);
    text_append(result, host);
    if (strchr(host, '.') != NULL)
        return;
    domain = config_get_raw(config, "mydomain");
    text_append_format(result, ".%s", domain != NULL ? "$mydomain" : "localdomain");
}

/* What follows the first dot of myhostname, unless that would be the root. */
static void compute_mydomain(const struct config *config, struct text *result)
{
    char host[256];
    const char *name = config_get_raw(config, "myhostname") != NULL ? config_get(config, "myhostname") : NULL;
    const char *dot;

    if (name == NULL) {
        get_host_name(host, sizeof host);
        name = host;
    }
    dot = strchr(name, '.');
    text_append(result, dot != NULL && dot[1] != '\0' ? dot + 1 : "localdomain");
}

/* ---- networks ---- */

enum network_style { STYLE_HOST, STYLE_SUBNET, STYLE_CLASS };

/* An address of this machine, in network byte order, and its subnet's length in bits. */
struct own_address {
    int family;
    unsigned char bytes[16];
    unsigned bits;
};

static unsigned address_bits(int family)
{
    return family == AF_INET ? 32 : 128;
}

static unsigned count_mask_bits(const unsigned char *mask, unsigned limit)
{
    unsigned bits = 0;

    while (bits < limit && (mask[bits / 8] & (0x80 >> bits % 8)) != 0)
        bits++;
    return bits;
}

static const unsigned char *address_bytes(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (const unsigned char *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    return (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

static bool own_address_of(const struct ifaddrs *interface, struct own_address *own)
{
    const struct sockaddr *address = interface->ifa_addr;

    if (address == NULL || (interface->ifa_flags & IFF_UP) == 0)
        return false;
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
        return false;
    *own = (struct own_address){.family = address->sa_family, .bits = address_bits(address->sa_family)};
    memcpy(own->bytes, address_bytes(address), own->bits / 8);
    if (interface->ifa_netmask != NULL)
        own->bits = count_mask_bits(address_bytes(interface->ifa_netmask), own->bits);
    return true;
}

/* The class of an IPv4 address (RFC 791), for mynetworks_style = class. */
static unsigned class_bits(unsigned char first)
{
    if (first < 128)
        return 8;
    if (first < 192)
        return 16;
    return first < 224 ? 24 : 4;
}

static void append_network(struct text *result, struct own_address own, enum network_style style)
{
    char printed[INET6_ADDRSTRLEN];
    unsigned all = address_bits(own.family);
    struct text network = {0};

    if (style == STYLE_HOST)
        own.bits = all;
    if (style == STYLE_CLASS && own.family == AF_INET)
        own.bits = class_bits(own.bytes[0]);
    for (unsigned bit = own.bits; bit < all; bit++)
        own.bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
    inet_ntop(own.family, own.bytes, printed, sizeof printed);
    text_append_format(&network, own.family == AF_INET ? "%s/%u" : "[%s]/%u", printed, own.bits);
    if (result->length == 0 || strstr(result->data, network.data) == NULL) {
        text_append(result, result->length > 0 ? " " : "");
        text_append(result, network.data);
    }
    text_free(&network);
}

static bool same_address(const struct own_address *own, int family, const void *bytes)
{
    return own->family == family && memcmp(own->bytes, bytes, address_bits(family) / 8) == 0;
}

/* Whether inet_interfaces, a list of names and addresses, has this one. */
static bool is_listed(const struct own_address *own, const char *interfaces)
{
    char *copy = memory_copy_string(interfaces), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, " \t\r\n,")) != NULL) {
        const struct addrinfo hints = {.ai_family = own->family, .ai_socktype = SOCK_STREAM};
        struct addrinfo *answers = NULL;

        word[strcspn(word, "]")] = '\0';
        if (getaddrinfo(word + (*word == '['), NULL, &hints, &answers) != 0)
            continue;
        for (const struct addrinfo *a = answers; a != NULL; a = a->ai_next)
            found = found || same_address(own, a->ai_family, address_bytes(a->ai_addr));
        freeaddrinfo(answers);
    }
    free(copy);
    return found;
}

static bool is_loopback(const struct own_address *own)
{
    return own->family == AF_INET ? own->bytes[0] == 127 : same_address(own, AF_INET6, &in6addr_loopback);
}

static bool is_wanted(const struct own_address *own, const char *interfaces, const char *protocols)
{
    const char *family = own->family == AF_INET ? "ipv4" : "ipv6";

    if (strstr(protocols, "all") == NULL && strstr(protocols, family) == NULL)
        return false;
    if (string_equal(interfaces, "all"))
        return true;
    if (string_equal(interfaces, "loopback-only"))
        return is_loopback(own);
    return is_listed(own, interfaces);
}

static enum network_style style_named(const char *name)
{
    if (string_equal(name, "host"))
        return STYLE_HOST;
    return string_equal(name, "class") ? STYLE_CLASS : STYLE_SUBNET;
}

static const char *get_or_empty(const struct config *config, const char *name)
{
    const char *value = config_get(config, name);

    return value == NULL ? "" : value;
}

static void compute_mynetworks(const struct config *config, struct text *result)
{
    const char *interfaces = get_or_empty(config, "inet_interfaces");
    const char *protocols = get_or_empty(config, "inet_protocols");
    enum network_style style = style_named(get_or_empty(config, "mynetworks_style"));
    struct ifaddrs *list = NULL;
    struct own_address own;

    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *interface = list; interface != NULL; interface = interface->ifa_next)
        if (own_address_of(interface, &own) && is_wanted(&own, interfaces, protocols))
            append_network(result, own, style);
    freeifaddrs(list);
}

/* ---- the process ---- */

static void compute_config_directory(const struct config *config, struct text *result)
{
    text_append(result, config_directory(config));
}

static void compute_process_id(const struct config *config, struct text *result)
{
    (void)config;
    text_append_format(result, "%ld", (long)getpid());
}

static void compute_process_name(const struct config *config, struct text *result)
{
    (void)config;
    text_append(result, program_invocation_short_name);
}

static void compute_mail_name(const struct config *config, struct text *result)
{
    (void)config;
    text_append(result, POSTERN_MAIL_NAME);
}

static void compute_mail_version(const struct config *config, struct text *result)
{
    (void)config;
    text_append(result, POSTERN_MAIL_VERSION);
}

static const struct {
    const char *name;
    void (*compute)(const struct config *config, struct text *result);
} computed[] = {
    {"myhostname", compute_myhostname},
    {"mydomain", compute_mydomain},
    {"mynetworks", compute_mynetworks},
    {"config_directory", compute_config_directory},
    {"process_id", compute_process_id},
    {"process_name", compute_process_name},
    {"mail_name", compute_mail_name},
    {"mail_version", compute_mail_version},
};

bool catalog_compute_default(const struct config *config, const char *name, struct text *result)
{
    for (size_t i = 0; i < sizeof computed / sizeof *computed; i++)
        if (string_equal(name, computed[i].name)) {
            computed[i].compute(config, result);
            return true;
        }
    return false;
}
