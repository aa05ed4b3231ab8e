#include "mtasts/source.h"

#include "util/base/log.h"
#include "util/base/text.h"
#include "util/web/http.h"

enum { LOOKUP_SECONDS = 30, ADDRESSES = 4 /* of each protocol */, STATUS_OK = 200 };

/* ---- the record ---- */

/* RFC 8461 section 3.1: records about other things do not count; of ours there has to be one. */
static enum sts_announcement read_answer(const struct dns_answer *answer, char id[STS_ID_LIMIT + 1])
{
    const char *ours = NULL;

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];

        if (record->type != DNS_TXT || !sts_record_is_ours(record->name))
            continue;
        if (ours != NULL)
            return STS_NOT_ANNOUNCED;
        ours = record->name;
    }
    return ours != NULL && sts_record_parse(ours, id) ? STS_ANNOUNCED : STS_NOT_ANNOUNCED;
}

enum sts_announcement sts_look_up(const struct sts_source *source, const char *domain, char id[STS_ID_LIMIT + 1])
{
    struct arena *arena = arena_new();
    struct dns_answer answer;
    enum sts_announcement announcement = STS_NOT_KNOWN;

    switch (dns_lookup(source->dns, arena_format(arena, "_mta-sts.%s", domain), DNS_TXT, deadline_in(LOOKUP_SECONDS * SECONDS),
                       arena, &answer, NULL)) {
    case DNS_OK: announcement = read_answer(&answer, id); break;
    case DNS_NOT_FOUND:
    case DNS_NO_DATA: announcement = STS_NOT_ANNOUNCED; break;
    default: break;
    }
    arena_free(arena);
    return announcement;
}

/* ---- the policy host ---- */

static void add_addresses(const struct sts_source *source, const char *host, enum dns_type type, struct text *list)
{
    struct arena *arena = arena_new();
    char address[NET_ADDRESS_SIZE];
    struct dns_answer answer;

    if (dns_lookup(source->dns, host, type, deadline_in(LOOKUP_SECONDS * SECONDS), arena, &answer, NULL) == DNS_OK)
        for (size_t i = 0; i < answer.count && i < ADDRESSES; i++)
            if (answer.records[i].type == type)
                text_append_format(list, "%s%s", list->length > 0 ? "," : "", net_address_print(&answer.records[i].address, address));
    arena_free(arena);
}

/* "host:443:192.0.2.1,2001:db8::1". NULL: it has no address. */
static const char *find_host(const struct sts_source *source, const char *host, struct arena *arena)
{
    struct text list = {0};
    const char *found = NULL;

    if (source->ipv6)
        add_addresses(source, host, DNS_AAAA, &list);
    if (source->ipv4)
        add_addresses(source, host, DNS_A, &list);
    if (list.length > 0)
        found = arena_format(arena, "%s:%ld:%s", host, source->config->mtasts_https_port, text_string(&list));
    text_free(&list);
    return found;
}

/* Whether the answer is a policy at all: RFC 8461 section 3.3. */
static const char *judge(const struct http_answer *answer, struct arena *arena, enum tls_failure *failure, struct error *error)
{
    struct sts_policy policy;

    *failure = TLS_FAILURE_STS_POLICY_FETCH;
    if (answer->status != STATUS_OK) {
        error_set(error, "the policy host answered with status %ld", answer->status);
        return NULL;
    }
    *failure = TLS_FAILURE_STS_POLICY_INVALID;
    if (!string_equal(answer->content_type, "text/plain")) {
        error_set(error, "the policy host sent \"%s\", not text/plain", string_printable(arena_copy(arena, answer->content_type), false));
        return NULL;
    }
    if (!sts_policy_parse(text_string(&answer->body), answer->body.length, arena, &policy, error)) {
        error_prefix(error, "invalid policy: ");
        string_printable(error->text, true);
        return NULL;
    }
    *failure = TLS_FAILURE_NONE;
    return arena_copy(arena, text_string(&answer->body));
}

const char *sts_fetch(const struct sts_source *source, const char *domain, struct arena *arena, enum tls_failure *failure,
                      struct error *error)
{
    const struct mtasts_config *config = source->config;
    const char *host = arena_format(arena, "mta-sts.%s", domain), *text = NULL;
    struct http_request request = {.url = arena_format(arena, "https://%s:%ld/.well-known/mta-sts.txt", host, config->mtasts_https_port),
                                   .user_agent = "Postern",
                                   .ca_file = config->mtasts_tls_CAfile,
                                   .ca_path = config->mtasts_tls_CApath,
                                   .resolve = find_host(source, host, arena),
                                   .time_limit = config->mtasts_fetch_timeout,
                                   .size_limit = STS_POLICY_LIMIT};
    struct http_answer answer;

    *failure = TLS_FAILURE_STS_POLICY_FETCH;
    if (request.resolve == NULL) {
        error_set(error, "host %s has no address", host);
        return NULL;
    }
    if (http_fetch(&request, &answer, error))
        text = judge(&answer, arena, failure, error);
    else if (answer.untrusted || answer.not_asked)
        *failure = answer.untrusted ? TLS_FAILURE_STS_WEBPKI_INVALID : TLS_FAILURE_NONE;
    text_free(&answer.body);
    return text;
}
