#include "smtp/dane.h"

#include <string.h>

#include "smtp/tls.h"
#include "util/base/log.h"
#include "util/base/text.h"

enum { LOOKUP_SECONDS = 300, RECORD_LIMIT = 100, FIXED_SIZE = 3 };

struct search {
    const struct smtp_client *client;
    const struct smtp_host *host;
    struct arena *arena;
    struct smtp_tls_policy *result;
    struct smtp_trouble *trouble;
    const char *base;            /* where the records were found */
    struct tls_tlsa *usable;
    size_t usable_count;
    const char **lines;          /* of all, NULL at the end */
};

static bool fail(const struct search *search, enum tls_failure failure, const char *reason)
{
    search->result->source = TLS_POLICY_TLSA;
    search->result->failure = failure;
    search->result->failure_reason = reason;
    search->trouble->dsn = "4.7.5";
    return error_set(&search->trouble->reason, "%s", reason);
}

/* ---- one record ---- */

bool smtp_dane_read(const unsigned char *data, size_t length, struct tls_tlsa *record)
{
    if (length <= FIXED_SIZE)
        return false;
    *record = (struct tls_tlsa){.usage = data[0],
                                .selector = data[1],
                                .matching_type = data[2],
                                .data = data + FIXED_SIZE,
                                .length = length - FIXED_SIZE};
    return true;
}

/* ---- all that are at one name ---- */

/* Without TLS of our own, a host with records gets no mail. */
static bool can_use(const struct smtp_client *client, const struct tls_tlsa *record)
{
    return client->tls->context != NULL ? tls_context_takes_tlsa(client->tls->context, record) : tls_tlsa_usable(record);
}

/* A record that cannot be used is as good as none, but says that the server has TLS (RFC 7672 section 2.2.3). */
static void take_record(struct search *search, const char *name, const struct dns_record *found, size_t *count)
{
    struct tls_tlsa record;
    const char *line;

    if (!smtp_dane_read(found->data, found->length, &record)) {
        log_warning(NULL, "%s: truncated TLSA RR length == %zu", name, found->length);
        return;
    }
    line = tls_tlsa_print(&record, search->arena);
    search->lines[(*count)++] = line;
    if (record.usage != 2 && record.usage != 3) {
        log_warning(NULL, "%s unsupported TLSA certificate usage: %s", name, line);
    } else if (!can_use(search->client, &record)) {
        log_warning(NULL, "%s: unusable TLSA RR: %s", smtp_host_relay(search->host, search->arena), line);
    } else {
        if (search->client->config->tls_loglevel >= TLS_LOG_STEPS)
            log_info(NULL, "DNSSEC-signed TLSA record: %s: %s", name, line);
        search->usable[search->usable_count++] = record;
    }
}

static void take_records(struct search *search, const char *name, const struct dns_answer *answer)
{
    size_t limit = answer->count < RECORD_LIMIT ? answer->count : RECORD_LIMIT, count = 0;

    search->usable = arena_alloc(search->arena, limit * sizeof *search->usable);
    search->lines = arena_alloc(search->arena, (limit + 1) * sizeof *search->lines);
    for (size_t i = 0; i < limit; i++)
        take_record(search, name, &answer->records[i], &count);
}

static bool lookup_failed(struct search *search, const struct error *error)
{
    const struct smtp_host *host = search->host;

    log_warning(NULL, "DANE TLSA lookup problem: %s", error->text);
    return fail(search, TLS_FAILURE_DNSSEC_INVALID,
                arena_format(search->arena, "TLSA lookup error for %s:%d", host->name, net_address_port(&host->address)));
}

/* False: it cannot be known now. *found: there is an authentic answer with something in it. */
static bool ask(struct search *search, const char *name, enum dns_type type, struct dns_answer *answer, bool *found)
{
    struct error error;
    enum dns_status status = dns_lookup(search->client->dns, name, type, deadline_in(LOOKUP_SECONDS * SECONDS),
                                        search->arena, answer, &error);

    *found = status == DNS_OK && answer->authentic;
    return status == DNS_OK || status == DNS_NOT_FOUND || status == DNS_NO_DATA || lookup_failed(search, &error);
}

/* ---- where they are ---- */

static bool is_alias(const struct smtp_host *host)
{
    return host->canonical != NULL && !string_equal_ignore_case(host->canonical, host->name);
}

void smtp_dane_bases(const struct smtp_host *host, bool alias_authentic, bool force, const char *bases[3])
{
    size_t count = 0;

    if (host->canonical != NULL && (host->authentic || (force && !is_alias(host))))
        bases[count++] = host->canonical;
    if (is_alias(host) && (host->authentic || alias_authentic))
        bases[count++] = host->name;
    bases[count] = NULL;
}

/* search->base stays NULL when there are none. False: it cannot be known now. */
static bool find_records(struct search *search)
{
    const struct smtp_host *host = search->host;
    const char *bases[3];
    struct dns_answer answer;
    bool found = false;

    if (is_alias(host) && !host->authentic && !ask(search, host->name, DNS_CNAME, &answer, &found))
        return false;
    smtp_dane_bases(host, found, search->client->config->tls_force_insecure_host_tlsa_lookup, bases);
    for (size_t i = 0; bases[i] != NULL; i++) {
        const char *name = arena_format(search->arena, "_%d._tcp.%s", net_address_port(&host->address), bases[i]);

        if (!ask(search, name, DNS_TLSA, &answer, &found))
            return false;
        if (!found)
            continue;
        search->base = bases[i];
        take_records(search, name, &answer);
        return true;
    }
    return true;
}

/* ---- what follows from them ---- */

/* "tlsa mx.example 3 1 1 AB.., 3 1 1 CD.." behind what the next hop's policy is. The records stand in the order of their
 * data: name servers turn them round. */
static const char *make_identity(const struct search *search, const struct smtp_tls_policy *result)
{
    struct text identity = {0};
    const char *previous = "", *made;

    text_append_format(&identity, "%s tlsa %s%s", result->identity, search->base, result->forgeable ? " forgeable" : "");
    for (const char *next = ""; next != NULL; previous = next) {
        next = NULL;
        for (size_t i = 0; search->lines[i] != NULL; i++)
            if (strcmp(search->lines[i], previous) > 0 && (next == NULL || strcmp(search->lines[i], next) < 0))
                next = search->lines[i];
        if (next != NULL)
            text_append_format(&identity, ", %s", next);
    }
    made = arena_copy(search->arena, text_string(&identity));
    text_free(&identity);
    return made;
}

/* The certificate's names, for records of usage 2: RFC 7672 section 3.2.2. */
static const char *make_match(const struct search *search)
{
    const struct smtp_host *host = search->host;

    return arena_format(search->arena, "%s,nexthop,%s", search->base, host->domain != NULL ? host->domain : "");
}

static enum smtp_dane make_policy(const struct search *search)
{
    struct smtp_tls_policy *result = search->result;
    const char *relay = smtp_host_relay(search->host, search->arena);
    bool only = result->level == SMTP_TLS_DANE_ONLY;

    result->source = TLS_POLICY_TLSA;
    result->source_lines = search->lines;
    result->forgeable = !search->host->name_authentic;
    result->identity = make_identity(search, result);
    if (result->forgeable && search->client->tls->insecure_mx == SMTP_TLS_ENCRYPT) {
        result->level = SMTP_TLS_ENCRYPT;
        return SMTP_DANE_APPLIES;
    }
    result->server_name = search->base;
    result->match = make_match(search);
    result->tlsa = search->usable;
    result->tlsa_count = search->usable_count;
    if (search->usable_count > 0)
        return SMTP_DANE_APPLIES;
    log_warning(NULL, "%s: all TLSA records unusable%s", relay, only ? "" : ", fallback to unauthenticated TLS");
    result->level = SMTP_TLS_ENCRYPT;
    if (!only)
        return SMTP_DANE_APPLIES;
    fail(search, TLS_FAILURE_TLSA_INVALID, "TLSA records unusable");
    return SMTP_DANE_TROUBLE;
}

static enum smtp_dane nothing_found(const struct search *search, const char *what)
{
    if (search->result->level == SMTP_TLS_DANE)
        return SMTP_DANE_NONE;
    fail(search, TLS_FAILURE_DANE_REQUIRED, what);
    return SMTP_DANE_TROUBLE;
}

enum smtp_dane smtp_dane_policy(const struct smtp_client *client, const struct smtp_tls_policy *policy,
                                const struct smtp_host *host, struct arena *arena, struct smtp_tls_policy *result,
                                struct smtp_trouble *trouble)
{
    struct search search = {.client = client, .host = host, .arena = arena, .result = result, .trouble = trouble};

    *result = *policy;
    if (!smtp_tls_level_is_dane(policy->level))
        return SMTP_DANE_NONE;
    if (!host->name_authentic && (policy->level == SMTP_TLS_DANE_ONLY || client->tls->insecure_mx == SMTP_TLS_MAY))
        return nothing_found(&search, "non DNSSEC destination");
    if (!find_records(&search))
        return SMTP_DANE_TROUBLE;
    return search.base == NULL ? nothing_found(&search, "no TLSA records found") : make_policy(&search);
}
