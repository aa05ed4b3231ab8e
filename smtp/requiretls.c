#include "smtp/requiretls.h"

#include <stdlib.h>
#include <string.h>

#include "smtp/tls.h"
#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/net/ascii_name.h"
#include "util/table/names.h"

static const char no_encryption[] = "noencryption", no_starttls[] = "nostarttls", no_match[] = "nocertmatch",
                  no_offer[] = "none";

/* ---- the policy ---- */

struct item {
    struct table *table; /* NULL: demand holds for all that come here */
    enum smtp_requiretls demand;
};

struct smtp_requiretls_policy {
    struct item *items;
    size_t count;
};

static bool by_name(const char *word, enum smtp_requiretls *demand)
{
    static const char *const names[] = {[REQUIRETLS_NOTHING] = "disable",
                                        [REQUIRETLS_IF_OFFERED] = "opportunistic",
                                        [REQUIRETLS_ENCRYPTED] = "opportunistic+starttls",
                                        [REQUIRETLS_ENFORCED] = "enforce"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (string_equal_ignore_case(word, names[i])) {
            *demand = (enum smtp_requiretls)i;
            return true;
        }
    return false;
}

static bool bad_word(const char *word, const char *where, struct error *error)
{
    return error_set(error, "smtp_requiretls_policy: \"%s\"%s is none of enforce, opportunistic+starttls, opportunistic, disable",
                     word, where);
}

static bool take_item(struct smtp_requiretls_policy *policy, const char *word, struct error *error)
{
    struct item item = {NULL, REQUIRETLS_NOTHING};

    if (strchr(word, ':') != NULL && (item.table = table_open(word, error)) == NULL)
        return false;
    if (item.table == NULL && !by_name(word, &item.demand))
        return bad_word(word, "", error);
    policy->items = memory_resize(policy->items, (policy->count + 1) * sizeof item);
    policy->items[policy->count++] = item;
    return true;
}

struct smtp_requiretls_policy *smtp_requiretls_policy_new(const char *items, struct error *error)
{
    struct smtp_requiretls_policy *policy = memory_new(sizeof *policy);
    char *copy = memory_copy_string(items), *rest = copy, *word;
    bool good = true;

    while (good && (word = table_names_next(&rest)) != NULL)
        good = take_item(policy, word, error);
    free(copy);
    if (good)
        return policy;
    smtp_requiretls_policy_free(policy);
    return NULL;
}

void smtp_requiretls_policy_free(struct smtp_requiretls_policy *policy)
{
    if (policy == NULL)
        return;
    for (size_t i = 0; i < policy->count; i++)
        if (policy->items[i].table != NULL)
            table_close(policy->items[i].table);
    free(policy->items);
    free(policy);
}

/* The domain, then ".parent" by ".parent" where the table has no patterns of its own. */
static enum table_result look_up(struct table *table, const char *domain, struct text *found, struct error *error)
{
    enum table_result result = table_lookup(table, domain, found, error);

    while (result == TABLE_NOT_FOUND && !table_is_pattern(table) && (domain = strchr(domain + 1, '.')) != NULL)
        result = table_lookup(table, domain, found, error);
    return result;
}

static enum table_result ask_table(struct table *table, const char *domain, enum smtp_requiretls *demand,
                                   struct error *error)
{
    struct text found = {0};
    enum table_result result = look_up(table, domain, &found, error);

    if (result == TABLE_FOUND && !by_name(text_string(&found), demand)) {
        bad_word(text_string(&found), " in a table", error);
        result = TABLE_ERROR;
    }
    text_free(&found);
    return result;
}

static bool ask(const struct smtp_requiretls_policy *policy, const char *domain, enum smtp_requiretls *demand,
                struct error *error)
{
    *demand = REQUIRETLS_ENFORCED; /* unless anything says otherwise */
    for (size_t i = 0; i < policy->count; i++) {
        if (policy->items[i].table == NULL) {
            *demand = policy->items[i].demand;
            return true;
        }
        switch (ask_table(policy->items[i].table, domain, demand, error)) {
        case TABLE_FOUND: return true;
        case TABLE_ERROR: return false;
        default: break;
        }
    }
    return true;
}

bool smtp_requiretls_find(const struct smtp_client *client, const char *item, enum smtp_requiretls *demand,
                          struct error *error)
{
    struct net_endpoint endpoint;
    struct error ignored;
    struct text ascii = {0};
    const char *domain = item;
    bool found;

    if (client->lmtp && string_starts(item, "unix:"))
        domain = client->mail->myhostname;
    else if (net_endpoint_parse(client->lmtp && string_starts(item, "inet:") ? item + strlen("inet:") : item,
                                client->default_port, &endpoint, &ignored))
        domain = endpoint.host;
    found = ask(client->tls->requiretls, net_name_to_ascii(domain, &ascii) ? text_string(&ascii) : domain, demand, error);
    text_free(&ascii);
    return found;
}

/* ---- what is lacking ---- */

const char *smtp_requiretls_policy_lack(enum smtp_requiretls demand, const struct smtp_tls_policy *policy)
{
    if (demand >= REQUIRETLS_ENCRYPTED && policy->level == SMTP_TLS_NONE)
        return no_encryption;
    return demand == REQUIRETLS_ENFORCED && policy->level < SMTP_TLS_DANE ? no_match : NULL;
}

bool smtp_requiretls_offered(const struct smtp_session *session)
{
    return session->tls != NULL && (session->offer.features & EHLO_REQUIRETLS) != 0;
}

const char *smtp_requiretls_session_lack(enum smtp_requiretls demand, const struct smtp_session *session)
{
    if (demand < REQUIRETLS_ENCRYPTED)
        return NULL;
    if (session->tls == NULL)
        return no_starttls;
    if (demand != REQUIRETLS_ENFORCED)
        return NULL;
    return session->security != SESSION_VERIFIED ? no_match : smtp_requiretls_offered(session) ? NULL : no_offer;
}

const char *smtp_requiretls_trouble_lack(enum smtp_requiretls demand, const struct smtp_trouble *trouble)
{
    switch (trouble->lack) {
    case TROUBLE_NO_STARTTLS: return demand >= REQUIRETLS_ENCRYPTED ? no_starttls : NULL;
    case TROUBLE_NOT_VERIFIED: return demand == REQUIRETLS_ENFORCED ? no_match : NULL;
    default: return NULL;
    }
}

/* RFC 8689 section 6: 5.7.30 is for what has no REQUIRETLS; RFC 5248: 5.7.10 for what is not encrypted as it should be. */
void smtp_requiretls_refuse(const char *lack, const char *host, struct smtp_trouble *trouble)
{
    trouble->dsn = lack == no_offer ? "5.7.30" : "5.7.10";
    if (lack == no_offer)
        error_set(&trouble->reason, "REQUIRETLS is required, but was not offered by host %s", host);
    else if (lack == no_starttls)
        error_set(&trouble->reason, "REQUIRETLS is required, but STARTTLS was not offered by host %s", host);
    else if (lack == no_match)
        error_set(&trouble->reason, "REQUIRETLS is required, but the certificate of host %s was not verified", host);
    else
        error_set(&trouble->reason, "REQUIRETLS is required, but TLS is disabled for host %s", host);
}

const char *smtp_requiretls_status(const struct smtp_session *session)
{
    if (session == NULL)
        return "requiretls?";
    if (!smtp_requiretls_offered(session))
        return "requiretls:none";
    return session->security == SESSION_VERIFIED ? "requiretls" : "requiretls:nocertmatch";
}
