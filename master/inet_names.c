#include "master/inet_names.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "mail/config/tcp_port.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static const char separators[] = " \t\r\n,";

static bool protocol_wanted(const struct settings *settings, int family)
{
    const char *protocols = settings->mail.inet_protocols;

    return strstr(protocols, "all") != NULL || strstr(protocols, family == AF_INET ? "ipv4" : "ipv6") != NULL;
}

static void add_address(struct inet_addresses *addresses, const struct net_address *address, uint16_t port)
{
    struct net_address *item;

    for (size_t i = 0; i < addresses->count; i++)
        if (net_address_equal(&addresses->items[i], address))
            return;
    addresses->items = memory_resize(addresses->items, (addresses->count + 1) * sizeof *addresses->items);
    item = &addresses->items[addresses->count++];
    *item = *address;
    net_address_set_port(item, port);
}

static void add_if_wanted(const struct settings *settings, struct inet_addresses *addresses, const char *text,
                          uint16_t port)
{
    struct net_address address;

    if (net_address_parse(text, &address) && protocol_wanted(settings, net_address_family(&address)))
        add_address(addresses, &address, port);
}

static bool add_host(const struct settings *settings, const char *host, uint16_t port,
                     struct inet_addresses *addresses, struct error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct net_address numeric;
    struct addrinfo *answers = NULL;
    int failure;

    if (net_address_parse(host, &numeric)) {
        add_if_wanted(settings, addresses, host, port);
        return true;
    }
    failure = getaddrinfo(host, NULL, &hints, &answers);
    if (failure != 0)
        return error_set(error, "host name %s: %s", host, gai_strerror(failure));
    for (const struct addrinfo *answer = answers; answer != NULL; answer = answer->ai_next) {
        struct net_address address = net_address_from_socket(answer->ai_addr, answer->ai_addrlen);

        if (protocol_wanted(settings, net_address_family(&address)))
            add_address(addresses, &address, port);
    }
    freeaddrinfo(answers);
    return true;
}

static bool add_interfaces(const struct settings *settings, uint16_t port, struct inet_addresses *addresses,
                           struct error *error)
{
    char *copy = memory_copy_string(settings->mail.inet_interfaces), *cursor = copy, *word;
    bool ok = true;

    while (ok && (word = string_next_word(&cursor, separators)) != NULL) {
        if (string_equal_ignore_case(word, "all")) {
            add_if_wanted(settings, addresses, "0.0.0.0", port);
            add_if_wanted(settings, addresses, "::", port);
        } else if (string_equal_ignore_case(word, "loopback-only")) {
            add_if_wanted(settings, addresses, "127.0.0.1", port);
            add_if_wanted(settings, addresses, "::1", port);
        } else {
            ok = add_host(settings, word, port, addresses, error) || error_prefix(error, "inet_interfaces: ");
        }
    }
    free(copy);
    return ok;
}

static bool parse_port(const struct settings *settings, const char *text, uint16_t *port, struct error *error)
{
    if (tcp_port_find(settings->mail.known_tcp_ports, text, port))
        return true;
    return error_set(error, "%s: no such port", text);
}

/* Cuts "host:port" in two; the host is "" when only a port is given, and loses its brackets. */
static void split_name(char *name, const char **host, const char **port)
{
    char *colon = strrchr(name, ':');

    *host = "";
    *port = name;
    if (colon == NULL)
        return;
    *colon = '\0';
    *host = name;
    *port = colon + 1;
    if (*name == '[' && string_ends(name, "]")) {
        name[strlen(name) - 1] = '\0';
        *host = name + 1;
    }
}

bool inet_names_resolve(const struct settings *settings, const char *name, struct inet_addresses *addresses,
                        struct error *error)
{
    char *copy = memory_copy_string(name);
    const char *host, *port_text;
    uint16_t port;
    bool ok;

    *addresses = (struct inet_addresses){0};
    split_name(copy, &host, &port_text);
    ok = parse_port(settings, port_text, &port, error) &&
         (*host == '\0' ? add_interfaces(settings, port, addresses, error)
                        : add_host(settings, host, port, addresses, error));
    if (ok && addresses->count == 0)
        ok = error_set(error, "no address of inet_protocols = %s", settings->mail.inet_protocols);
    if (!ok)
        free(addresses->items);
    free(copy);
    return ok;
}
