#include "mail/tlsrpt/report.h"

#include <time.h>

#include "mail/tlsrpt/failure.h"
#include "util/base/json.h"

static const char *const policy_types[] = {
    [TLS_POLICY_NONE_FOUND] = "no-policy-found",
    [TLS_POLICY_TLSA] = "tlsa",
    [TLS_POLICY_STS] = "sts",
};

static const char *policy_word(int64_t type)
{
    return policy_types[type >= 0 && (size_t)type < sizeof policy_types / sizeof *policy_types ? type : TLS_POLICY_NONE_FOUND];
}

const char *tlsrpt_time(int64_t seconds, char buffer[TLSRPT_TIME_SIZE])
{
    time_t time = (time_t)seconds;
    struct tm parts;

    gmtime_r(&time, &parts);
    strftime(buffer, TLSRPT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return buffer;
}

static void append_number(struct text *json, const char *name, int64_t number)
{
    text_append_format(json, ", \"%s\": %lld", name, (long long)number);
}

static void append_optional(struct text *json, const char *name, const char *value)
{
    if (*value == '\0')
        return;
    text_append(json, ", ");
    json_append_member(json, name, value);
}

static void append_strings(struct text *json, const char *name, const struct ipc_strings *strings)
{
    text_append_format(json, ", \"%s\": [", name);
    for (size_t i = 0; i < strings->count; i++) {
        text_append(json, i > 0 ? ", " : "");
        json_append_string(json, strings->items[i]);
    }
    text_append_char(json, ']');
}

static void append_failure(struct text *json, const struct tlsrpt_failure *failure)
{
    text_append_char(json, '{');
    json_append_member(json, "result-type", tlsrpt_failure_word(failure->failure));
    append_optional(json, "sending-mta-ip", failure->sending_address);
    append_optional(json, "receiving-mx-hostname", failure->receiving_host);
    append_optional(json, "receiving-mx-helo", failure->receiving_helo);
    append_optional(json, "receiving-ip", failure->receiving_address);
    append_number(json, "failed-session-count", failure->count);
    append_optional(json, "additional-information", failure->additional);
    append_optional(json, "failure-reason-code", failure->reason);
    text_append_char(json, '}');
}

static void append_policy(struct text *json, const char *domain, const struct tlsrpt_policy_counts *counted)
{
    const struct tlsrpt_policy *policy = &counted->policy;

    text_append(json, "{\"policy\": {");
    json_append_member(json, "policy-type", policy_word(policy->type));
    if (policy->lines.count > 0)
        append_strings(json, "policy-string", &policy->lines);
    append_optional(json, "policy-domain", domain);
    if (policy->mx_patterns.count > 0)
        append_strings(json, "mx-host", &policy->mx_patterns);
    text_append_format(json, "}, \"summary\": {\"total-successful-session-count\": %lld", (long long)policy->successes);
    append_number(json, "total-failure-session-count", policy->failures);
    text_append_char(json, '}');
    for (size_t i = 0; i < counted->count; i++) {
        text_append(json, i == 0 ? ", \"failure-details\": [" : ", ");
        append_failure(json, &counted->failures[i]);
    }
    text_append(json, counted->count > 0 ? "]}" : "}");
}

static void append_head(struct text *json, const struct tlsrpt_domain *domain, const struct tlsrpt_reporter *reporter)
{
    char start[TLSRPT_TIME_SIZE], end[TLSRPT_TIME_SIZE];

    text_append_char(json, '{');
    json_append_member(json, "organization-name", reporter->organization);
    text_append_format(json, ", \"date-range\": {\"start-datetime\": \"%s\", \"end-datetime\": \"%s\"}",
                       tlsrpt_time(domain->start, start), tlsrpt_time(domain->end - 1, end));
    append_optional(json, "contact-info", reporter->contact);
    append_optional(json, "report-id", domain->id);
}

bool tlsrpt_report_append(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, const struct tlsrpt_reporter *reporter,
                          struct text *json, struct tlsrpt_sums *sums, struct error *error)
{
    struct arena *arena = arena_new();
    struct tlsrpt_policy_counts *policies;
    size_t count;
    bool read = tlsrpt_counts_read(counts, domain, arena, &policies, &count, error);

    *sums = (struct tlsrpt_sums){0};
    append_head(json, domain, reporter);
    text_append(json, ", \"policies\": [");
    for (size_t i = 0; i < count; i++) {
        text_append(json, i > 0 ? ", " : "");
        append_policy(json, domain->domain, &policies[i]);
        sums->successes += policies[i].policy.successes;
        sums->failures += policies[i].policy.failures;
        sums->unlisted += policies[i].policy.unlisted;
    }
    text_append(json, "]}");
    arena_free(arena);
    return read;
}
