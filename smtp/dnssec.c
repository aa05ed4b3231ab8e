#include "smtp/dnssec.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"

enum { PROBE_SECONDS = 10 };

struct smtp_dnssec {
    const char *probe;   /* "ns:." */
    enum dns_type type;
    const char *name;    /* NULL: there is no probe */
    bool settled;        /* it has been asked, or need not be any more */
};

struct smtp_dnssec *smtp_dnssec_new(const char *probe, struct error *error)
{
    struct smtp_dnssec *dnssec = memory_new(sizeof *dnssec);
    const char *colon = strchr(probe, ':');
    char *type;
    bool good = *probe == '\0';

    dnssec->probe = probe;
    dnssec->settled = *probe == '\0';
    if (colon != NULL && colon[1] != '\0') {
        type = memory_copy_bytes(probe, (size_t)(colon - probe));
        good = dns_type_by_name(type, &dnssec->type);
        dnssec->name = colon + 1;
        free(type);
    }
    if (good)
        return dnssec;
    error_set(error, "bad dnssec_probe value: \"%s\": it is a type and a name, as in ns:. or soa:example.com, or empty", probe);
    free(dnssec);
    return NULL;
}

static void ask(const struct smtp_client *client, const struct smtp_dnssec *dnssec)
{
    struct arena *arena = arena_new();
    struct dns_answer answer;
    struct error error;
    enum dns_status status = dns_lookup(client->dns, dnssec->name, dnssec->type, deadline_in(PROBE_SECONDS * SECONDS), arena,
                                        &answer, &error);
    bool answered = status == DNS_OK || status == DNS_NOT_FOUND || status == DNS_NO_DATA;

    if (!answered || !answer.authentic)
        log_warning(NULL, "DNSSEC validation may be unavailable");
    if (!answered)
        log_warning(NULL, "reason: dnssec_probe '%s' received no response: %s", dnssec->probe, error.text);
    else if (!answer.authentic)
        log_warning(NULL, "reason: dnssec_probe '%s' received a response that is not DNSSEC validated", dnssec->probe);
    arena_free(arena);
}

void smtp_dnssec_notice(const struct smtp_client *client, bool authentic)
{
    struct smtp_dnssec *dnssec = client->dnssec_probe;

    if (dnssec->settled)
        return;
    dnssec->settled = true;
    if (!authentic)
        ask(client, dnssec);
}
