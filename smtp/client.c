/* What is made of the configuration once at start. */
#include <stdlib.h>
#include <string.h>

#include "smtp/config.h"
#include "smtp/auth.h"
#include "smtp/dnssec.h"
#include "smtp/ehlo.h"
#include "util/base/memory.h"

#define PARAMETER(...) PARAMETER_ROW(struct smtp_config, __VA_ARGS__)
#define SMTP_ROW(type, member, smtp, smtp_default, lmtp, lmtp_default, least, most, meaning)                          \
    {#smtp, PARAMETER_##type, smtp_default, #least, #most, meaning, offsetof(struct smtp_config, member)},
#define LMTP_ROW(type, member, smtp, smtp_default, lmtp, lmtp_default, least, most, meaning)                          \
    {#lmtp, PARAMETER_##type, lmtp_default, #least, #most, meaning, offsetof(struct smtp_config, member)},

static const struct parameter smtp_rows[] = {
#define CLIENT SMTP_ROW
#include "smtp/smtp.def"
#include "smtp/tls.def"
#undef CLIENT
};
static const struct parameter lmtp_rows[] = {
#define CLIENT LMTP_ROW
#include "smtp/smtp.def"
#include "smtp/tls.def"
#undef CLIENT
};
#undef PARAMETER

const struct parameter_set smtp_parameters = PARAMETER_SET(smtp_rows, struct smtp_config);
const struct parameter_set lmtp_parameters = PARAMETER_SET(lmtp_rows, struct smtp_config);

static const char separators[] = ", \t\r\n";

static bool has_word(const char *list, const char *wanted)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, separators)) != NULL)
        found = string_equal_ignore_case(word, wanted);
    free(copy);
    return found;
}

/* ---- this host's addresses ---- */

static void add_own(struct smtp_client *client, const struct net_address *address)
{
    client->own = memory_resize(client->own, (client->own_count + 1) * sizeof *client->own);
    client->own[client->own_count++] = *address;
}

static bool add_interfaces(struct smtp_client *client, bool loopback_only, struct error *error)
{
    size_t count;
    struct net_interface *interfaces = net_interfaces_list(&count, error);

    if (interfaces == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!loopback_only || net_address_is_loopback(&interfaces[i].address))
            add_own(client, &interfaces[i].address);
    free(interfaces);
    return true;
}

/* A host name in inet_interfaces stands for its addresses. One that cannot be found is none of ours. */
static void add_named(struct smtp_client *client, const char *name)
{
    struct net_address address;
    struct dns_answer answer;
    struct arena *arena;

    if (net_address_parse(name, &address)) {
        add_own(client, &address);
        return;
    }
    arena = arena_new();
    if (dns_lookup_native(name, AF_UNSPEC, arena, &answer, NULL) == DNS_OK)
        for (size_t i = 0; i < answer.count; i++)
            add_own(client, &answer.records[i].address);
    arena_free(arena);
}

static bool find_own_addresses(struct smtp_client *client, const char *list, struct error *error)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    bool ok = true;

    while (ok && (word = string_next_word(&cursor, separators)) != NULL) {
        if (string_equal_ignore_case(word, "all") || string_equal_ignore_case(word, "loopback-only"))
            ok = add_interfaces(client, !string_equal_ignore_case(word, "all"), error);
        else
            add_named(client, word);
    }
    free(copy);
    return ok;
}

bool smtp_is_own_address(const struct smtp_client *client, const struct net_address *address)
{
    for (size_t i = 0; i < client->own_count; i++)
        if (net_address_equal(&client->own[i], address))
            return true;
    return false;
}

/* ---- words ---- */

static bool set_lookups(struct smtp_client *client, struct error *error)
{
    const struct smtp_config *config = client->config;
    const char *level = config->dns_support_level;

    if (*level == '\0')
        client->use_dns = !config->disable_dns_lookups;
    else if (string_equal(level, "enabled") || string_equal(level, "dnssec"))
        client->use_dns = true;
    else if (!string_equal(level, "disabled"))
        return error_set(error, "invalid smtp_dns_support_level: \"%s\": it is disabled, enabled or dnssec", level);
    client->host_dns = has_word(config->host_lookup, "dns");
    client->host_native = has_word(config->host_lookup, "native");
    if (!client->host_dns && !client->host_native)
        return error_set(error, "bad smtp_host_lookup value: %s", config->host_lookup);
    client->dnssec = client->host_dns && string_equal(level, "dnssec");
    client->dnssec_probe = smtp_dnssec_new(config->dnssec_probe, error);
    return client->dnssec_probe != NULL;
}

static bool set_protocols(struct smtp_client *client, struct error *error)
{
    const char *preference = client->config->address_preference;
    bool all = has_word(client->mail->inet_protocols, "all");

    client->ipv4 = all || has_word(client->mail->inet_protocols, "ipv4");
    client->ipv6 = all || has_word(client->mail->inet_protocols, "ipv6");
    if (string_equal(preference, "ipv4"))
        client->preference = SMTP_PREFER_IPV4;
    else if (string_equal(preference, "ipv6"))
        client->preference = SMTP_PREFER_IPV6;
    else if (!string_equal(preference, "any"))
        return error_set(error, "bad smtp_address_preference value: %s", preference);
    return true;
}

static bool parse_bind(const char *name, const char *value, int family, struct net_address *address,
                       struct error *error)
{
    if (*value == '\0')
        return true;
    if (net_address_parse(value, address) && net_address_family(address) == family)
        return true;
    return error_set(error, "bad %s value: %s", name, value);
}

/* Without a setting, the one address that inet_interfaces names is where mail leaves from too. */
static void bind_to_interface(struct smtp_client *client, int family, struct net_address *address)
{
    const struct net_address *only = NULL;
    size_t found = 0;

    if (address->length > 0 || has_word(client->mail->inet_interfaces, "all"))
        return;
    for (size_t i = 0; i < client->own_count; i++)
        if (net_address_family(&client->own[i]) == family && !net_address_is_loopback(&client->own[i])) {
            only = &client->own[i];
            found++;
        }
    if (found == 1)
        *address = *only;
}

struct smtp_client *smtp_client_new(const struct config *main_cf, const struct mail_config *mail,
                                    const struct smtp_config *config, bool lmtp, struct error *error)
{
    struct smtp_client *client = memory_new(sizeof *client);
    uint16_t port;

    client->mail = mail;
    client->config = config;
    client->lmtp = lmtp;
    client->discard = ehlo_discard_parse(config->discard_ehlo_keywords);
    client->mime_limits.nesting = (int)config_get_count(main_cf, "mime_nesting_limit", 100);
    client->mime_limits.boundary_length = (size_t)config_get_count(main_cf, "mime_boundary_length_limit", 2048);
    client->default_port = net_port_parse(config->tcp_port, &port) ? config->tcp_port : "25";
    client->dns = dns_new(&(struct dns_settings){.servers = mail->dns_servers}, error);
    if (client->dns == NULL || !set_lookups(client, error) || !set_protocols(client, error) ||
        !find_own_addresses(client, mail->inet_interfaces, error))
        return NULL;
    if (!parse_bind("smtp_bind_address", config->bind_address, AF_INET, &client->bind_ipv4, error) ||
        !parse_bind("smtp_bind_address6", config->bind_address6, AF_INET6, &client->bind_ipv6, error))
        return NULL;
    bind_to_interface(client, AF_INET, &client->bind_ipv4);
    bind_to_interface(client, AF_INET6, &client->bind_ipv6);
    if (!find_own_addresses(client, mail->proxy_interfaces, error) || !smtp_logins_open(client, main_cf, error))
        return NULL;
    client->cache_destinations = match_list_new(config->connection_cache_destinations, 0, error);
    return client->cache_destinations != NULL ? client : NULL;
}
