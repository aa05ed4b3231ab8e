/* Restrictions on names: the client's, HELO's, and the domains of sender and recipient. */
#include <string.h>

#include "mail/address/address.h"
#include "smtpd/restriction_functions.h"

#define DOMAIN_LOOKUP_LIMIT (30 * SECONDS)

static long code_of(const struct judge *judge, enum dns_status status)
{
    return status == DNS_TRY_AGAIN ? 450 : judge->session->smtpd->config->unknown_address_reject_code;
}

/* ---- the client ---- */

static enum judgement reject_client(struct judge *judge, const char *dsn, const char *what)
{
    return judge_reject(judge, 450, dsn, "Client host rejected: cannot find your %s, [%s]", what,
                        judge->session->client.address_text);
}

enum judgement restriction_unknown_client(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    if (strcmp(judge->session->client.name.name, "unknown") != 0)
        return JUDGE_DUNNO;
    return reject_client(judge, "4.7.25", "hostname");
}

enum judgement restriction_unknown_reverse_client(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    if (strcmp(judge->session->client.name.reverse_name, "unknown") != 0)
        return JUDGE_DUNNO;
    return reject_client(judge, "4.7.25", "reverse hostname");
}

/* ---- HELO ---- */

static bool is_literal(const char *name)
{
    struct net_address address;

    return *name == '[' && net_address_parse(name, &address);
}

/* One final dot is a fully qualified name's right. */
static bool is_qualified(const char *name)
{
    char copy[NET_HOST_LIMIT + 2];
    size_t length = strlen(name);

    if (length == 0 || length >= sizeof copy)
        return false;
    memcpy(copy, name, length + 1);
    if (copy[length - 1] == '.')
        copy[length - 1] = '\0';
    return strchr(copy, '.') != NULL && net_hostname_valid(copy);
}

enum judgement restriction_non_fqdn_helo(struct judge *judge, const struct restriction *restriction)
{
    const char *helo = judge->session->helo;

    (void)restriction;
    if (helo == NULL || is_literal(helo) || is_qualified(helo))
        return JUDGE_DUNNO;
    return judge_reject(judge, judge->session->smtpd->config->non_fqdn_reject_code, "5.5.2",
                        "<%s>: Helo command rejected: need fully-qualified hostname", helo);
}

enum judgement restriction_invalid_helo(struct judge *judge, const struct restriction *restriction)
{
    const char *helo = judge->session->helo;

    (void)restriction;
    if (helo == NULL || is_literal(helo) || net_hostname_valid(helo) || is_qualified(helo))
        return JUDGE_DUNNO;
    return judge_reject(judge, judge->session->smtpd->config->invalid_hostname_reject_code, "5.5.2",
                        "<%s>: Helo command rejected: Invalid name", helo);
}

/* ---- sender and recipient ---- */

static enum judgement non_fqdn_address(struct judge *judge, const char *address, enum restriction_list_kind about)
{
    const char *domain = address != NULL ? address_domain(address) : NULL;

    if (address == NULL || *address == '\0' || (domain != NULL && (*domain == '[' || is_qualified(domain))))
        return JUDGE_DUNNO;
    /* Postmaster needs no domain (RFC 5321 section 4.5.1). */
    if (about == RECIPIENT_RESTRICTIONS && domain == NULL && string_equal_ignore_case(address, "postmaster"))
        return JUDGE_DUNNO;
    return judge_reject(judge, judge->session->smtpd->config->non_fqdn_reject_code, "5.5.2",
                        "<%s>: %s rejected: need fully-qualified address", address, judge_class(about));
}

enum judgement restriction_non_fqdn_sender(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return non_fqdn_address(judge, judge_sender(judge), SENDER_RESTRICTIONS);
}

enum judgement restriction_non_fqdn_recipient(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return non_fqdn_address(judge, judge_recipient(judge), RECIPIENT_RESTRICTIONS);
}

/* Can mail be sent there: an MX, else an address (RFC 5321 section 5.1). */
static enum dns_status find_mail_domain(struct judge *judge, const char *domain)
{
    static const enum dns_type types[] = {DNS_MX, DNS_A, DNS_AAAA};
    struct deadline deadline = deadline_in(DOMAIN_LOOKUP_LIMIT);
    enum dns_status worst = DNS_NOT_FOUND;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct dns_answer answer;
        struct error error;
        enum dns_status status =
            dns_lookup(judge->session->smtpd->dns, domain, types[i], deadline, judge->arena, &answer, &error);

        if (status == DNS_OK || status == DNS_NULL_MX)
            return status;
        if (status == DNS_NOT_FOUND)
            return DNS_NOT_FOUND; /* no such name: there is nothing of any type */
        if (status == DNS_TRY_AGAIN)
            worst = DNS_TRY_AGAIN;
    }
    return worst;
}

static enum judgement unknown_domain(struct judge *judge, const char *address, enum restriction_list_kind about)
{
    bool sender = about == SENDER_RESTRICTIONS;
    const char *domain = address != NULL ? address_domain(address) : NULL, *dsn = sender ? "4.1.8" : "4.1.2";
    struct resolve_reply reply;
    enum judgement judgement;
    enum dns_status status;

    if (domain == NULL || *domain == '[' || *domain == '\0')
        return JUDGE_DUNNO;
    if (!restriction_resolve(judge, address, &reply, &judgement))
        return judgement;
    if ((reply.flags & (RESOLVE_LOCAL | RESOLVE_VIRTUAL_ALIAS | RESOLVE_VIRTUAL_MAILBOX)) != 0)
        return JUDGE_DUNNO;
    status = find_mail_domain(judge, domain);
    if (status == DNS_OK)
        return JUDGE_DUNNO;
    if (status == DNS_NULL_MX)
        return judge_reject(judge, sender ? 550 : 556, sender ? "5.7.27" : "5.1.10",
                            "<%s>: %s rejected: Domain %s does not accept mail (nullMX)", address, judge_class(about),
                            domain);
    if (status == DNS_TRY_AGAIN &&
        string_equal(judge->session->smtpd->config->unknown_address_tempfail_action, "defer_if_permit"))
        return judge_defer_if_permit(judge, 450, dsn, "<%s>: %s rejected: Domain not found", address,
                                     judge_class(about));
    return judge_reject(judge, code_of(judge, status), dsn, "<%s>: %s rejected: Domain not found", address,
                        judge_class(about));
}

enum judgement restriction_unknown_sender_domain(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return unknown_domain(judge, judge_sender(judge), SENDER_RESTRICTIONS);
}

enum judgement restriction_unknown_recipient_domain(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return unknown_domain(judge, judge_recipient(judge), RECIPIENT_RESTRICTIONS);
}
