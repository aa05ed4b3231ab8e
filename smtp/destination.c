#include "smtp/destination.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "smtp/dnssec.h"
#include "util/base/log.h"
#include "util/net/ascii_name.h"

enum { LOOKUP_SECONDS = 300, PREFERENCE_NONE = 0, SMTP_PORT = 25 };

const char *destination_next(const char **cursor, struct arena *arena)
{
    size_t length;

    *cursor += strspn(*cursor, ", \t\r\n");
    length = strcspn(*cursor, ", \t\r\n");
    if (length == 0)
        return NULL;
    *cursor += length;
    return arena_copy_bytes(arena, *cursor - length, length);
}

static bool set_trouble(struct smtp_trouble *trouble, const char *dsn)
{
    trouble->dsn = dsn;
    return false;
}

/* ---- how a host is called ---- */

const char *smtp_address_path(const struct net_address *address)
{
    return net_address_family(address) == AF_UNIX ? ((const struct sockaddr_un *)&address->storage)->sun_path : NULL;
}

const char *smtp_host_peer(const struct smtp_host *host, struct arena *arena)
{
    const char *path = smtp_address_path(&host->address);
    char address[NET_ADDRESS_SIZE];

    return arena_format(arena, "%s[%s]", host->name,
                        path != NULL ? path : net_address_print(&host->address, address));
}

const char *smtp_host_relay(const struct smtp_host *host, struct arena *arena)
{
    const char *peer = smtp_host_peer(host, arena);

    return smtp_address_path(&host->address) != NULL
               ? peer
               : arena_format(arena, "%s:%d", peer, net_address_port(&host->address));
}

/* ---- order ---- */

static int family_rank(const struct smtp_host *host, enum smtp_ip_preference preference)
{
    bool six = net_address_family(&host->address) == AF_INET6;

    if (preference == SMTP_PREFER_ANY)
        return 0;
    return six == (preference == SMTP_PREFER_IPV6) ? 0 : 1;
}

/* Stable: lists are short, and equal hosts must keep the order that chance or the name server gave them. */
static void sort_stable(struct smtp_hosts *hosts, enum smtp_ip_preference preference)
{
    for (size_t i = 1; i < hosts->count; i++) {
        struct smtp_host host = hosts->hosts[i];
        size_t at = i;

        for (; at > 0; at--) {
            const struct smtp_host *before = &hosts->hosts[at - 1];

            if (before->preference < host.preference ||
                (before->preference == host.preference &&
                 family_rank(before, preference) <= family_rank(&host, preference)))
                break;
            hosts->hosts[at] = *before;
        }
        hosts->hosts[at] = host;
    }
}

static void shuffle_hosts(struct smtp_hosts *hosts)
{
    for (size_t i = hosts->count; i > 1; i--) {
        unsigned chance = 0;
        size_t other;
        struct smtp_host swap;

        (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
        other = chance % i;
        swap = hosts->hosts[other];
        hosts->hosts[other] = hosts->hosts[i - 1];
        hosts->hosts[i - 1] = swap;
    }
}

void destination_sort(struct smtp_hosts *hosts, bool shuffle, enum smtp_ip_preference preference)
{
    if (shuffle)
        shuffle_hosts(hosts);
    sort_stable(hosts, preference);
}

bool destination_cut_own(const struct smtp_client *client, struct smtp_hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        if (!smtp_is_own_address(client, &hosts->hosts[i].address))
            continue;
        while (i > 0 && hosts->hosts[i - 1].preference == hosts->hosts[i].preference)
            i--;
        hosts->count = i;
        hosts->local_mx = true;
    }
    return hosts->count > 0;
}

static size_t count_family(const struct smtp_hosts *hosts, size_t count, int family)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += net_address_family(&hosts->hosts[i].address) == family;
    return found;
}

void destination_limit(struct smtp_hosts *hosts, size_t limit, bool balance)
{
    size_t four, six;

    if (limit == 0 || hosts->count <= limit)
        return;
    four = count_family(hosts, limit, AF_INET);
    six = limit - four;
    if (balance && limit > 1 && (four == 0 || six == 0)) {
        int missing = four == 0 ? AF_INET : AF_INET6;
        size_t at = limit - limit / 2; /* the first half stays */

        for (size_t i = limit; i < hosts->count && at < limit; i++)
            if (net_address_family(&hosts->hosts[i].address) == missing)
                hosts->hosts[at++] = hosts->hosts[i];
    }
    hosts->count = limit;
}

/* ---- looking up ---- */

struct lookup {
    const struct smtp_client *client;
    struct arena *arena;
    struct smtp_hosts *hosts;
    size_t capacity;
    uint16_t port;
    bool name_authentic; /* of the hosts that are looked up now */
    const char *domain;
    struct smtp_trouble *trouble;
};

/* answer: where the address was found in DNS; NULL: elsewhere. */
static void add_address(struct lookup *lookup, const char *name, unsigned preference, const struct net_address *address,
                        const struct dns_answer *answer)
{
    struct smtp_hosts *hosts = lookup->hosts;
    struct smtp_host *host;

    if (hosts->count == lookup->capacity) {
        size_t capacity = lookup->capacity == 0 ? 2 : lookup->capacity * 2;
        struct smtp_host *more = arena_alloc(lookup->arena, capacity * sizeof *more);

        if (hosts->count > 0)
            memcpy(more, hosts->hosts, hosts->count * sizeof *more);
        hosts->hosts = more;
        lookup->capacity = capacity;
    }
    host = &hosts->hosts[hosts->count++];
    *host = (struct smtp_host){.name = name,
                               .preference = preference,
                               .address = *address,
                               .name_authentic = lookup->name_authentic,
                               .authentic = answer != NULL && answer->authentic && lookup->client->dnssec,
                               .canonical = answer != NULL ? answer->canonical : NULL,
                               .domain = lookup->domain};
    net_address_set_port(&host->address, lookup->port);
}

/* What the SMTP client makes of a name server's answer that has no address in it. */
static const char *trouble_code(enum dns_status status)
{
    switch (status) {
    case DNS_NULL_MX: return "5.1.0";
    case DNS_NOT_FOUND:
    case DNS_NO_DATA:
    case DNS_INVALID: return "5.4.4";
    case DNS_REFUSED: return "4.7.0";
    default: return "4.4.3";
    }
}

static bool add_answer(struct lookup *lookup, const char *name, unsigned preference, const struct dns_answer *answer)
{
    bool added = false;

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        int family = net_address_family(&record->address);

        if ((family == AF_INET && lookup->client->ipv4) || (family == AF_INET6 && lookup->client->ipv6)) {
            add_address(lookup, name, preference, &record->address, answer);
            added = true;
        }
    }
    return added;
}

/* Asks the name server, and takes notice of whether it knows what is signed. */
static enum dns_status ask(const struct lookup *lookup, const char *name, enum dns_type type, struct dns_answer *answer,
                           struct error *error)
{
    const struct smtp_client *client = lookup->client;
    enum dns_status status =
        dns_lookup(client->dns, name, type, deadline_in(LOOKUP_SECONDS * SECONDS), lookup->arena, answer, error);

    if (client->dnssec)
        smtp_dnssec_notice(client, answer->authentic);
    return status;
}

static enum dns_status lookup_host_dns(struct lookup *lookup, const char *name, unsigned preference)
{
    const struct {
        bool wanted;
        enum dns_type type;
    } questions[] = {{lookup->client->ipv4, DNS_A}, {lookup->client->ipv6, DNS_AAAA}};
    enum dns_status worst = DNS_NOT_FOUND;
    bool added = false, soft = false;

    for (size_t i = 0; i < 2; i++) {
        struct dns_answer answer;
        struct error error;
        enum dns_status status;

        if (!questions[i].wanted)
            continue;
        status = ask(lookup, name, questions[i].type, &answer, &error);
        if (status == DNS_OK) {
            added = add_answer(lookup, name, preference, &answer) || added;
        } else if (!soft) { /* a trouble that may pass weighs more than one that does not */
            lookup->trouble->reason = error;
            worst = status;
            soft = *trouble_code(status) == '4';
        }
    }
    return added ? DNS_OK : worst;
}

static enum dns_status lookup_host(struct lookup *lookup, const char *name, unsigned preference)
{
    const struct smtp_client *client = lookup->client;
    enum dns_status status = DNS_NOT_FOUND;
    struct net_address literal;
    struct dns_answer answer;

    if (net_address_parse(name, &literal)) { /* also where an MX record should have a name */
        int family = net_address_family(&literal);

        if ((family == AF_INET && !client->ipv4) || (family == AF_INET6 && !client->ipv6)) {
            error_set(&lookup->trouble->reason, "unable to look up host %s: protocol is not enabled", name);
            return DNS_NOT_FOUND;
        }
        add_address(lookup, name, preference, &literal, NULL);
        return DNS_OK;
    }
    if (client->use_dns && client->host_dns)
        status = lookup_host_dns(lookup, name, preference);
    if ((status == DNS_NOT_FOUND || status == DNS_NO_DATA) && (!client->use_dns || client->host_native)) {
        int family = !client->ipv6 ? AF_INET : !client->ipv4 ? AF_INET6 : AF_UNSPEC;

        status = dns_lookup_native(name, family, lookup->arena, &answer, &lookup->trouble->reason);
        answer.canonical = NULL;
        if (status == DNS_OK && !add_answer(lookup, name, preference, &answer))
            status = DNS_NO_DATA;
    }
    return status;
}

/* Addresses of each MX host; that some of them have none does not matter. */
static enum dns_status lookup_mx_hosts(struct lookup *lookup, const char *domain, const struct dns_answer *answer)
{
    enum dns_status worst = DNS_NOT_FOUND;
    struct net_address literal;
    struct smtp_trouble soft;

    for (size_t i = 0; i < answer->count; i++) {
        const char *name = answer->records[i].name;
        enum dns_status status = lookup_host(lookup, name, answer->records[i].preference);

        if (net_address_parse(name, &literal))
            log_warning(NULL, "numeric domain name in resource data of MX record for %s: %s", domain, name);

        if (status != DNS_OK && *trouble_code(status) == '4') {
            worst = status;
            soft = *lookup->trouble;
        } else if (status != DNS_OK && *trouble_code(worst) == '5') {
            worst = status;
        }
    }
    if (lookup->hosts->count > 0)
        return DNS_OK;
    log_warning(NULL, "no MX host for %s has a valid address record", domain);
    if (*trouble_code(worst) == '4')
        *lookup->trouble = soft;
    else if (lookup->client->config->defer_if_no_mx_address_found)
        worst = DNS_TRY_AGAIN;
    return worst;
}

/* Puts what was found in order. A relay that another one leads back to would loop for ever. */
static bool finish(struct lookup *lookup, const char *domain, enum dns_status status)
{
    const struct smtp_client *client = lookup->client;

    if (status != DNS_OK)
        return set_trouble(lookup->trouble, trouble_code(status));
    destination_sort(lookup->hosts, client->config->randomize_addresses, client->preference);
    if (lookup->port != SMTP_PORT || destination_cut_own(client, lookup->hosts))
        return true;
    error_set(&lookup->trouble->reason, "mail for %s loops back to myself", domain);
    return set_trouble(lookup->trouble, "5.4.6");
}

/* RFC 5321 section 5.1. */
static bool lookup_domain(struct lookup *lookup, const char *domain)
{
    struct dns_answer answer;
    enum dns_status status = ask(lookup, domain, DNS_MX, &answer, &lookup->trouble->reason);

    if (status == DNS_OK) {
        lookup->name_authentic = answer.authentic && lookup->client->dnssec;
        lookup->domain = answer.canonical;
        return finish(lookup, domain, lookup_mx_hosts(lookup, domain, &answer));
    }
    if (status == DNS_NULL_MX)
        error_set(&lookup->trouble->reason, "Domain %s does not accept mail (nullMX)", domain);
    if (status == DNS_NOT_FOUND || status == DNS_NO_DATA ||
        (status == DNS_TRY_AGAIN && lookup->client->config->ignore_mx_lookup_error))
        status = lookup_host(lookup, domain, PREFERENCE_NONE);
    return finish(lookup, domain, status);
}

/* LMTP: a socket in the file system, relative to queue_directory. */
static bool find_unix(struct lookup *lookup, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct net_address found;

    if (strlen(path) >= sizeof address.sun_path) {
        error_set(&lookup->trouble->reason, "unix-domain name too long: %s", path);
        return set_trouble(lookup->trouble, "4.3.5");
    }
    strcpy(address.sun_path, path);
    found = net_address_from_socket((const struct sockaddr *)&address, sizeof address);
    lookup->port = 0;
    add_address(lookup, lookup->client->mail->myhostname, PREFERENCE_NONE, &found, NULL);
    return true;
}

bool destination_uses_mx(const struct smtp_client *client, const struct net_endpoint *endpoint)
{
    struct net_address literal;

    return !endpoint->bracketed && client->use_dns && !client->lmtp && !net_address_parse(endpoint->host, &literal);
}

bool destination_lookup(const struct smtp_client *client, const char *item, struct arena *arena,
                        struct smtp_hosts *hosts, struct smtp_trouble *trouble)
{
    struct lookup lookup = {.client = client, .arena = arena, .hosts = hosts, .name_authentic = true, .trouble = trouble};
    struct net_endpoint endpoint;
    const char *name;

    *hosts = (struct smtp_hosts){0};
    trouble->reason.text[0] = '\0';
    if (client->lmtp && string_starts(item, "unix:"))
        return find_unix(&lookup, item + strlen("unix:"));
    if (client->lmtp && string_starts(item, "inet:"))
        item += strlen("inet:");
    if (!net_endpoint_parse(item, client->default_port, &endpoint, &trouble->reason))
        return set_trouble(trouble, "4.3.5");
    name = net_name_ascii(arena_copy(arena, endpoint.host), arena);
    lookup.port = endpoint.port;
    if (destination_uses_mx(client, &endpoint))
        return lookup_domain(&lookup, name);
    return finish(&lookup, name, lookup_host(&lookup, name, PREFERENCE_NONE));
}
