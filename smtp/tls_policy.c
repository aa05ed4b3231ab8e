#include "smtp/tls_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "smtp/sts_attributes.h"
#include "smtp/tls.h"
#include "util/base/log.h"
#include "util/base/text.h"
#include "util/net/ascii_name.h"

enum { ANCHOR_FILE_LIMIT = 1024 * 1024 };

static const char separators[] = ", \t\r\n", match_separators[] = ",: \t\r\n";

#define LEVELS "none, may, encrypt, dane, dane-only, fingerprint, verify or secure"

static const char *const level_names[] = {
    [SMTP_TLS_NONE] = "none",     [SMTP_TLS_MAY] = "may",       [SMTP_TLS_ENCRYPT] = "encrypt",
    [SMTP_TLS_DANE] = "dane",     [SMTP_TLS_DANE_ONLY] = "dane-only",
    [SMTP_TLS_FINGERPRINT] = "fingerprint", [SMTP_TLS_VERIFY] = "verify", [SMTP_TLS_SECURE] = "secure",
};
static const size_t level_count = sizeof level_names / sizeof *level_names;

const char *smtp_tls_level_name(enum smtp_tls_level level)
{
    return (size_t)level < level_count ? level_names[level] : NULL;
}

bool smtp_tls_level_by_name(const char *name, enum smtp_tls_level *level)
{
    for (size_t i = 0; i < level_count; i++)
        if (string_equal_ignore_case(level_names[i], name)) {
            *level = (enum smtp_tls_level)i;
            return true;
        }
    return false;
}

bool smtp_tls_level_is_dane(enum smtp_tls_level level)
{
    return level == SMTP_TLS_DANE || level == SMTP_TLS_DANE_ONLY;
}

/* What a policy says, or main.cf where it says nothing. */
struct draft {
    struct smtp_tls_policy *policy;
    const char *protocols, *grade, *exclude, *match, *anchor_files;
    struct smtp_sts_attributes sts;
};

/* ---- main.cf ---- */

static bool default_level(const struct smtp_config *config, enum smtp_tls_level *level, struct error *error)
{
    *level = config->use_tls ? SMTP_TLS_MAY : SMTP_TLS_NONE;
    if (config->enforce_tls)
        *level = config->tls_enforce_peername ? SMTP_TLS_VERIFY : SMTP_TLS_ENCRYPT;
    if (*config->tls_security_level == '\0' || smtp_tls_level_by_name(config->tls_security_level, level))
        return true;
    return error_set(error, "smtp_tls_security_level = %s: it is " LEVELS,
                     config->tls_security_level);
}

/* ---- smtp_tls_policy_maps ---- */

/* ".b.example", in the tables that are not asked with whole keys only. */
static enum table_result look_up_parent(struct table_list *tables, const char *parent, struct text *found, struct error *error)
{
    enum table_result result = TABLE_NOT_FOUND;

    for (size_t i = 0; i < table_list_count(tables) && result == TABLE_NOT_FOUND; i++)
        if (!table_is_pattern(table_list_at(tables, i)))
            result = table_list_lookup_at(tables, i, parent, found, error);
    return result;
}

/* "[mail.example]:587" is looked up as it stands; "a.b.example:25" then by its domains: a.b.example, .b.example, ... */
static enum table_result look_up(const struct smtp_client *client, const char *item, const char *domain,
                                 struct text *found, struct error *error)
{
    struct table_list *tables = client->tls->policies;
    enum table_result result = table_list_lookup(tables, item, found, error);

    if (result == TABLE_NOT_FOUND && *item != '[' && strcmp(item, domain) != 0)
        result = table_list_lookup(tables, domain, found, error);
    if (*item == '[')
        return result;
    while (result == TABLE_NOT_FOUND && (domain = strchr(domain + 1, '.')) != NULL)
        result = look_up_parent(tables, domain, found, error);
    return result;
}

static bool allowed(const struct draft *draft, const char *name, enum smtp_tls_level least, struct error *error)
{
    return draft->policy->level >= least || error_set(error, "attribute \"%s\" does not go with the level \"%s\"", name,
                                                      smtp_tls_level_name(draft->policy->level));
}

static bool take_match(struct draft *draft, const char *value, struct arena *arena, struct error *error)
{
    /* Several of them add up; a fingerprint has colons of its own. */
    draft->match = draft->match == NULL ? value : arena_format(arena, "%s,%s", draft->match, value);
    return allowed(draft, "match", SMTP_TLS_FINGERPRINT, error);
}

static bool take_attribute(struct draft *draft, const char *name, const char *value, struct arena *arena,
                           struct error *error)
{
    if (string_equal(name, "protocols"))
        draft->protocols = value;
    else if (string_equal(name, "ciphers"))
        draft->grade = value;
    else if (string_equal(name, "exclude"))
        draft->exclude = value;
    else if (string_equal(name, "servername"))
        draft->policy->server_name = value;
    else if (string_equal(name, "match"))
        return take_match(draft, value, arena, error);
    else if (string_equal(name, "tafile"))
        draft->anchor_files = draft->anchor_files == NULL ? value
                                                          : arena_format(arena, "%s,%s", draft->anchor_files, value);
    else if (smtp_sts_attribute_known(name))
        return smtp_sts_attribute_take(&draft->sts, name, value, arena, error);
    else if (!string_equal(name, "connection_reuse")) /* connections are kept in any case */
        return error_set(error, "unknown attribute \"%s\": there are protocols, ciphers, exclude, match, servername, tafile, "
                                "and those of MTA-STS", name);
    return !string_equal(name, "tafile") || allowed(draft, name, SMTP_TLS_VERIFY, error);
}

static bool take_entry(struct draft *draft, char *entry, struct arena *arena, struct error *error)
{
    char *cursor = entry, *word = string_next_word(&cursor, separators);

    if (word == NULL || !smtp_tls_level_by_name(word, &draft->policy->level))
        return error_set(error, "invalid security level \"%s\": it is " LEVELS,
                         word != NULL ? word : "");
    while ((word = string_next_word_braced(&cursor, separators)) != NULL) { /* braces hold a value with blanks together */
        char *value = strchr(word, '=');

        if (draft->policy->level == SMTP_TLS_NONE) {
            log_warning(NULL, "smtp_tls_policy_maps: ignoring attribute \"%s\" with TLS disabled", word);
            continue;
        }
        if (value == NULL)
            return error_set(error, "\"%s\" is no attribute: there are protocols, ciphers, exclude, match, servername, "
                                    "tafile, each with = and a value", word);
        *value++ = '\0';
        if (!take_attribute(draft, string_trim(word), string_trim(value), arena, error))
            return false;
    }
    return true;
}

/* ---- trust anchors ---- */

static const char **split(const char *list, const char *between, struct arena *arena, size_t *count)
{
    char *cursor = arena_copy(arena, list), *word;
    const char **items = arena_alloc(arena, (strlen(list) / 2 + 2) * sizeof *items);

    *count = 0;
    while ((word = string_next_word(&cursor, between)) != NULL)
        items[(*count)++] = word;
    items[*count] = NULL;
    return items;
}

/* NULL: errno. */
static const char *read_file(const char *path, struct arena *arena)
{
    FILE *file = fopen(path, "re");
    struct text content = {0};
    char piece[4096];
    size_t got;
    const char *result = NULL;

    if (file == NULL)
        return NULL;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0 && content.length < ANCHOR_FILE_LIMIT)
        text_append_bytes(&content, piece, got);
    if (!ferror(file))
        result = arena_copy(arena, text_string(&content));
    text_free(&content);
    fclose(file);
    return result;
}

/* The names of files become their contents. */
static bool read_anchors(struct smtp_tls_policy *policy, const char *files, struct arena *arena, struct error *error)
{
    size_t count;
    const char **items = split(files, separators, arena, &count);

    for (size_t i = 0; i < count; i++) {
        const char *path = items[i];

        items[i] = read_file(path, arena);
        if (items[i] == NULL)
            return error_set(error, "trust anchor file %s: %s", path, strerror(errno));
    }
    policy->anchors = count > 0 ? items : NULL;
    return true;
}

/* ---- both together ---- */

/* Without brackets and port. */
static const char *host_of(const struct smtp_client *client, const char *item, struct arena *arena)
{
    struct net_endpoint endpoint;
    struct error ignored;

    return net_endpoint_parse(item, client->default_port, &endpoint, &ignored) ? arena_copy(arena, endpoint.host) : item;
}

/* Tables have names as people write them. */
static bool read_table(const struct smtp_client *client, const char *item, struct draft *draft, struct arena *arena,
                       struct error *error)
{
    struct text found = {0};
    enum table_result result = look_up(client, item, host_of(client, item, arena), &found, error);
    bool good = result != TABLE_ERROR;

    draft->policy->administered = result == TABLE_FOUND;
    if (result == TABLE_FOUND && !take_entry(draft, arena_copy(arena, text_string(&found)), arena, error))
        good = error_prefix(error, "smtp_tls_policy_maps, next hop %s: ", item);
    text_free(&found);
    return good;
}

static const char *default_match(const struct smtp_config *config, enum smtp_tls_level level)
{
    return level == SMTP_TLS_FINGERPRINT ? config->tls_fingerprint_cert_match
           : level == SMTP_TLS_VERIFY    ? config->tls_verify_cert_match
           : level == SMTP_TLS_SECURE    ? config->tls_secure_cert_match
                                         : "";
}

static bool complete(const struct smtp_client *client, const struct draft *draft, struct arena *arena, struct error *error)
{
    const struct smtp_config *config = client->config;
    struct smtp_tls_policy *policy = draft->policy;
    bool must = policy->level >= SMTP_TLS_ENCRYPT;
    const char *const exclusions[] = {
        draft->exclude != NULL ? draft->exclude : config->tls_exclude_ciphers,
        draft->exclude == NULL && must ? config->tls_mandatory_exclude_ciphers : "",
        policy->level > SMTP_TLS_ENCRYPT ? "aNULL" : "", NULL};
    const char *protocols = draft->protocols != NULL ? draft->protocols
                            : must                   ? config->tls_mandatory_protocols
                                                     : config->tls_protocols;
    const char *grade = draft->grade != NULL ? draft->grade : must ? config->tls_mandatory_ciphers : config->tls_ciphers;
    const char *anchors = draft->anchor_files != NULL ? draft->anchor_files : config->tls_trust_anchor_file;
    struct text ciphers = {0};
    bool good = mail_tls_protocols("smtp_tls_protocols", protocols, &policy->protocols, error) &&
                mail_tls_ciphers(client->tls->parameters, grade, exclusions, &ciphers, error) &&
                (policy->level < SMTP_TLS_VERIFY || read_anchors(policy, anchors, arena, error));

    policy->ciphers = arena_copy(arena, text_string(&ciphers));
    policy->match = draft->match != NULL ? draft->match : default_match(config, policy->level);
    policy->identity = arena_format(arena, "%s %s %s %s %s %s %s", smtp_tls_level_name(policy->level), protocols,
                                    policy->ciphers, policy->match, policy->server_name, anchors,
                                    policy->level >= SMTP_TLS_DANE ? policy->nexthop : "");
    smtp_sts_attributes_apply(&draft->sts, config->tls_enforce_sts_mx_patterns, arena, policy);
    text_free(&ciphers);
    return good;
}

/* A level that depends on signed answers where there are none. */
static bool check_dnssec(const struct smtp_client *client, struct smtp_tls_policy *policy, struct error *error)
{
    const char *name = smtp_tls_level_name(policy->level);

    if (!smtp_tls_level_is_dane(policy->level) || client->dnssec)
        return true;
    if (policy->level == SMTP_TLS_DANE_ONLY)
        return error_set(error, "%s configured with dnssec lookups disabled: smtp_dns_support_level has to be dnssec", name);
    log_warning(NULL, "%s: %s configured with dnssec lookups disabled", policy->nexthop, name);
    policy->level = SMTP_TLS_MAY;
    return true;
}

/* What holds for hosts without TLSA records is another level, with ciphers of its own. */
static bool complete_without_tlsa(const struct smtp_client *client, const struct draft *draft, struct arena *arena,
                                  struct error *error)
{
    struct smtp_tls_policy *policy = arena_alloc(arena, sizeof *policy);
    struct draft other = *draft;

    *policy = *draft->policy;
    policy->level = SMTP_TLS_MAY;
    other.policy = policy;
    draft->policy->without_tlsa = policy;
    return complete(client, &other, arena, error);
}

static void begin_policy(const struct smtp_client *client, const char *item, struct arena *arena,
                         struct smtp_tls_policy *policy)
{
    *policy = (struct smtp_tls_policy){.ciphers = "", .match = "", .server_name = client->config->tls_servername,
                                       .identity = "none"};
    policy->nexthop = net_name_ascii(host_of(client, item, arena), arena);
    policy->domain = policy->nexthop;
}

bool smtp_tls_policy_parse(const struct smtp_client *client, const char *item, const char *entry, struct arena *arena,
                           struct smtp_tls_policy *policy, struct error *error)
{
    struct draft draft = {.policy = policy};

    begin_policy(client, item, arena, policy);
    return take_entry(&draft, arena_copy(arena, entry), arena, error) && complete(client, &draft, arena, error);
}

static bool finish_policy(const struct smtp_client *client, const struct draft *draft, struct arena *arena,
                          struct error *error)
{
    enum smtp_tls_level level = draft->policy->level;

    if (client->config->tls_wrappermode && level < SMTP_TLS_ENCRYPT)
        return error_set(error, "smtp_tls_wrappermode needs a security level of encrypt or above, not %s",
                         smtp_tls_level_name(level));
    if (level == SMTP_TLS_DANE && !complete_without_tlsa(client, draft, arena, error))
        return false;
    return level == SMTP_TLS_NONE || complete(client, draft, arena, error);
}

bool smtp_tls_policy_find(const struct smtp_client *client, const char *item, struct arena *arena,
                          struct smtp_tls_policy *policy, struct error *error)
{
    struct draft draft = {.policy = policy};

    begin_policy(client, item, arena, policy);
    return default_level(client->config, &policy->level, error) && read_table(client, item, &draft, arena, error) &&
           check_dnssec(client, policy, error) && finish_policy(client, &draft, arena, error);
}

bool smtp_tls_policy_relaxed(const struct smtp_client *client, const char *item, struct arena *arena,
                             struct smtp_tls_policy *policy, struct error *error)
{
    const struct draft draft = {.policy = policy};

    begin_policy(client, item, arena, policy);
    if (!default_level(client->config, &policy->level, error))
        return false;
    if (policy->level > SMTP_TLS_MAY)
        policy->level = client->config->tls_wrappermode ? SMTP_TLS_ENCRYPT : SMTP_TLS_MAY;
    return finish_policy(client, &draft, arena, error);
}

/* ---- what it asks of one host ---- */

const char *const *smtp_tls_policy_names(const struct smtp_tls_policy *policy, const char *host, struct arena *arena)
{
    size_t count;
    const char **names = split(policy->match, match_separators, arena, &count);

    for (size_t i = 0; i < count; i++) {
        if (string_equal_ignore_case(names[i], "hostname"))
            names[i] = host;
        else if (string_equal_ignore_case(names[i], "nexthop"))
            names[i] = policy->nexthop;
        else if (string_equal_ignore_case(names[i], "dot-nexthop"))
            names[i] = arena_format(arena, ".%s", policy->nexthop);
    }
    return names;
}

const char *const *smtp_tls_policy_fingerprints(const struct smtp_tls_policy *policy, struct arena *arena)
{
    size_t count;

    return split(policy->match, "|, \t\r\n", arena, &count);
}

const char *smtp_tls_policy_server_name(const struct smtp_tls_policy *policy, const char *host)
{
    if (*policy->server_name == '\0')
        return NULL;
    if (string_equal_ignore_case(policy->server_name, "hostname"))
        return host;
    return string_equal_ignore_case(policy->server_name, "nexthop") ? policy->nexthop : policy->server_name;
}
