#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/text.h"
#include "util/net/address.h"

bool net_port_parse(const char *text, uint16_t *port)
{
    struct servent entry, *found = NULL;
    char buffer[1024];
    unsigned long number;

    if (string_all_digits(text)) {
        number = strlen(text) > 5 ? 0 : strtoul(text, NULL, 10);
        *port = (uint16_t)number;
        return number >= 1 && number <= 65535;
    }
    if (getservbyname_r(text, "tcp", &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
        return false;
    *port = ntohs((uint16_t)entry.s_port);
    return true;
}

/* Where the host ends; *port is what follows the colon, NULL without one. NULL: damaged. */
static const char *find_host_end(const char *text, const char **port)
{
    const char *end, *colon;

    *port = NULL;
    if (*text == '[') {
        end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return NULL;
        *port = end[1] == ':' ? end + 2 : NULL;
        return end;
    }
    colon = strchr(text, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL) /* several colons: a bare IPv6 address */
        return text + strlen(text);
    *port = colon + 1;
    return colon;
}

bool net_endpoint_parse(const char *text, const char *default_port, struct net_endpoint *endpoint, struct error *error)
{
    const char *port, *host = text, *end = find_host_end(text, &port);

    *endpoint = (struct net_endpoint){.bracketed = *text == '['};
    if (end == NULL)
        return error_set(error, "missing or misplaced \"]\" in \"%s\"", text);
    if (endpoint->bracketed)
        host++;
    if (endpoint->bracketed && string_starts_ignore_case(host, "IPv6:"))
        host += strlen("IPv6:");
    if (end <= host)
        return error_set(error, "missing host name in \"%s\"", text);
    if (end - host > NET_HOST_LIMIT)
        return error_set(error, "host name too long in \"%.300s\"", text);
    memcpy(endpoint->host, host, (size_t)(end - host));
    if (port != NULL && *port == '\0')
        return error_set(error, "missing service name in \"%s\"", text);
    if (!net_port_parse(port != NULL ? port : default_port, &endpoint->port))
        return error_set(error, "unknown service: %s", port != NULL ? port : default_port);
    return true;
}

static bool label_character(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

bool net_hostname_valid(const char *name)
{
    size_t length = strlen(name), label = 0;
    bool letters = false;

    if (length == 0 || length > NET_HOST_LIMIT)
        return false;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '.') {
            if (label == 0 || at[-1] == '-' || at[1] == '\0')
                return false;
            label = 0;
            continue;
        }
        if (!label_character(*at) || (label == 0 && *at == '-') || ++label > 63)
            return false;
        letters = letters || !ascii_is_digit(*at);
    }
    return letters && name[length - 1] != '-';
}
