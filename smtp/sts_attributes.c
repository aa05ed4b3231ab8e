#include "smtp/sts_attributes.h"

#include <string.h>

#include "mail/tlsrpt/failure.h"
#include "util/base/text.h"

static void add(struct smtp_sts_strings *strings, const char *item, struct arena *arena)
{
    if (strings->count + 1 >= strings->room) {
        size_t room = strings->room * 2 + 8;
        const char **items = arena_alloc(arena, room * sizeof *items);

        if (strings->count > 0)
            memcpy(items, strings->items, strings->count * sizeof *items);
        strings->items = items;
        strings->room = room;
    }
    strings->items[strings->count++] = item;
}

static bool take_type(struct smtp_sts_attributes *attributes, const char *value, struct arena *arena, struct error *error)
{
    (void)arena;
    attributes->is_sts = string_equal(value, "sts");
    return attributes->is_sts || string_equal(value, "no-policy-found") ||
           error_set(error, "policy_type=%s: it is sts or no-policy-found", value);
}

static bool take_domain(struct smtp_sts_attributes *attributes, const char *value, struct arena *arena, struct error *error)
{
    (void)arena, (void)error;
    attributes->domain = value;
    return true;
}

static bool take_line(struct smtp_sts_attributes *attributes, const char *value, struct arena *arena, struct error *error)
{
    (void)error;
    add(&attributes->lines, value, arena);
    return true;
}

static bool take_pattern(struct smtp_sts_attributes *attributes, const char *value, struct arena *arena, struct error *error)
{
    (void)error;
    add(&attributes->patterns, value, arena);
    return true;
}

/* How long the policy is good for is the business of whoever keeps it. */
static bool take_ttl(struct smtp_sts_attributes *attributes, const char *value, struct arena *arena, struct error *error)
{
    (void)attributes, (void)arena;
    return string_all_digits(value) || error_set(error, "policy_ttl=%s: it is a number of seconds", value);
}

/* Those that an MTA-STS policy can have. */
static bool take_failure(struct smtp_sts_attributes *attributes, const char *value, struct arena *arena, struct error *error)
{
    static const enum tls_failure failures[] = {TLS_FAILURE_STS_POLICY_FETCH, TLS_FAILURE_STS_POLICY_INVALID,
                                                TLS_FAILURE_STS_WEBPKI_INVALID, TLS_FAILURE_VALIDATION};

    (void)arena;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (string_equal(value, tlsrpt_failure_word(failures[i]))) {
            attributes->failure = failures[i];
            attributes->failure_reason = tlsrpt_failure_word(failures[i]);
            return true;
        }
    return error_set(error, "policy_failure=%s: it is sts-policy-fetch-error, sts-policy-invalid, sts-webpki-invalid or "
                            "validation-failure", value);
}

static const struct attribute {
    const char *name;
    bool (*take)(struct smtp_sts_attributes *attributes, const char *value, struct arena *arena, struct error *error);
} known[] = {
    {"policy_type", take_type},      {"policy_domain", take_domain}, {"policy_string", take_line},
    {"mx_host_pattern", take_pattern}, {"policy_ttl", take_ttl},     {"policy_failure", take_failure},
};

static const struct attribute *find(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (string_equal(name, known[i].name))
            return &known[i];
    return NULL;
}

bool smtp_sts_attribute_known(const char *name)
{
    return find(name) != NULL;
}

bool smtp_sts_attribute_take(struct smtp_sts_attributes *attributes, const char *name, const char *value, struct arena *arena,
                             struct error *error)
{
    return find(name)->take(attributes, value, arena, error);
}

void smtp_sts_attributes_apply(const struct smtp_sts_attributes *attributes, bool enforce, struct arena *arena,
                               struct smtp_tls_policy *policy)
{
    if (attributes->domain != NULL)
        policy->domain = attributes->domain;
    policy->failure = attributes->failure;
    policy->failure_reason = attributes->failure_reason;
    if (!attributes->is_sts)
        return;
    policy->source = TLS_POLICY_STS;
    policy->source_lines = attributes->lines.items;
    policy->mx_patterns = attributes->patterns.items;
    policy->mx_must_match = enforce && policy->level >= SMTP_TLS_VERIFY && policy->mx_patterns != NULL;
    if (policy->mx_must_match || policy->level < SMTP_TLS_FINGERPRINT)
        policy->match = "hostname"; /* to hold to, or to look at */
    policy->identity = arena_format(arena, "%s sts", policy->identity);
    for (size_t i = 0; i < attributes->patterns.count; i++)
        policy->identity = arena_format(arena, "%s %s", policy->identity, attributes->patterns.items[i]);
}
