#include "smtpd/setup.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/submit/submission.h"
#include "smtpd/auth.h"
#include "smtpd/restriction.h"
#include "smtpd/session.h"
#include "smtpd/tls.h"
#include "util/base/memory.h"
#include "util/net/ascii_name.h"

static bool open_list(struct smtpd *smtpd, struct match_list **list, const char *patterns, int flags,
                      const char *name, struct error *error)
{
    flags |= match_parent_flag(smtpd->mail->parent_domain_matches_subdomains, name);
    *list = match_list_new(patterns, flags, error);
    return *list != NULL || error_prefix(error, "%s: ", name);
}

static bool open_lists(struct smtpd *smtpd, struct error *error)
{
    const struct smtpd_config *config = smtpd->config;

    return open_list(smtpd, &smtpd->mynetworks, smtpd->mail->mynetworks, MATCH_ADDRESSES, "mynetworks", error) &&
           open_list(smtpd, &smtpd->bare_newline_exclusions, config->smtpd_forbid_bare_newline_exclusions,
                     MATCH_ADDRESSES, "smtpd_forbid_bare_newline_exclusions", error) &&
           open_list(smtpd, &smtpd->xclient_hosts, config->smtpd_authorized_xclient_hosts, MATCH_ADDRESSES,
                     "smtpd_authorized_xclient_hosts", error) &&
           open_list(smtpd, &smtpd->xforward_hosts, config->smtpd_authorized_xforward_hosts, MATCH_ADDRESSES,
                     "smtpd_authorized_xforward_hosts", error) &&
           open_list(smtpd, &smtpd->unlimited, config->smtpd_client_event_limit_exceptions, MATCH_ADDRESSES,
                     "smtpd_client_event_limit_exceptions", error) &&
           open_list(smtpd, &smtpd->noop_commands, config->smtpd_noop_commands, 0, "smtpd_noop_commands", error) &&
           open_list(smtpd, &smtpd->forbidden_commands, config->smtpd_forbidden_commands, 0,
                     "smtpd_forbidden_commands", error);
}

static bool open_tables(struct table_list **list, const char *names, const char *parameter, struct error *error)
{
    *list = table_list_open(names, error);
    return *list != NULL || error_prefix(error, "%s: ", parameter);
}

static bool open_all_tables(struct smtpd *smtpd, struct error *error)
{
    const struct mail_config *mail = smtpd->mail;
    char *canonical = memory_format("%s %s", mail->recipient_canonical_maps, mail->canonical_maps);
    bool good;

    good = open_tables(&smtpd->recipients[LOCAL_RECIPIENTS], mail->local_recipient_maps, "local_recipient_maps",
                       error) &&
           open_tables(&smtpd->recipients[ALIAS_RECIPIENTS], mail->virtual_alias_maps, "virtual_alias_maps", error) &&
           open_tables(&smtpd->recipients[MAILBOX_RECIPIENTS], mail->virtual_mailbox_maps, "virtual_mailbox_maps",
                       error) &&
           open_tables(&smtpd->recipients[RELAY_RECIPIENTS], mail->relay_recipient_maps, "relay_recipient_maps",
                       error) &&
           open_tables(&smtpd->recipients[CANONICAL_RECIPIENTS], canonical, "canonical_maps", error) &&
           open_tables(&smtpd->sender_logins, smtpd->config->smtpd_sender_login_maps, "smtpd_sender_login_maps", error) &&
           open_tables(&smtpd->discarded_keywords, smtpd->config->smtpd_discard_ehlo_keyword_address_maps,
                       "smtpd_discard_ehlo_keyword_address_maps", error);
    free(canonical);
    return good;
}

static bool read_restrictions(struct smtpd *smtpd, struct error *error)
{
    const struct smtpd_config *config = smtpd->config;
    const struct {
        enum restriction_list_kind kind;
        const char *name, *text;
    } lists[] = {
        {CLIENT_RESTRICTIONS, "smtpd_client_restrictions", config->smtpd_client_restrictions},
        {HELO_RESTRICTIONS, "smtpd_helo_restrictions", config->smtpd_helo_restrictions},
        {SENDER_RESTRICTIONS, "smtpd_sender_restrictions", config->smtpd_sender_restrictions},
        {RELAY_RESTRICTIONS, "smtpd_relay_restrictions", config->smtpd_relay_restrictions},
        {RECIPIENT_RESTRICTIONS, "smtpd_recipient_restrictions", config->smtpd_recipient_restrictions},
        {DATA_RESTRICTIONS, "smtpd_data_restrictions", config->smtpd_data_restrictions},
        {END_OF_DATA_RESTRICTIONS, "smtpd_end_of_data_restrictions", config->smtpd_end_of_data_restrictions},
        {ETRN_RESTRICTIONS, "smtpd_etrn_restrictions", config->smtpd_etrn_restrictions},
        {LOCAL_REWRITE_CLIENTS, "local_header_rewrite_clients", config->local_header_rewrite_clients},
    };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct restriction_list *list = restriction_list_new(smtpd, lists[i].text, lists[i].kind, error);

        if (list == NULL)
            return error_prefix(error, "%s: ", lists[i].name);
        smtpd->restrictions[lists[i].kind] = list;
    }
    smtpd->relay_guarded = restriction_list_guards_relay(smtpd->restrictions[RELAY_RESTRICTIONS]) ||
                           restriction_list_guards_relay(smtpd->restrictions[RECIPIENT_RESTRICTIONS]);
    if (!smtpd->relay_guarded)
        log_error(NULL, "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one "
                        "working instance of: reject_unauth_destination, defer_unauth_destination, reject, defer or "
                        "defer_if_permit: all recipients are refused until then");
    return true;
}

static bool read_choices(struct smtpd *smtpd, struct error *error)
{
    const char *choice = smtpd->config->smtpd_forbid_bare_newline;
    const char *options = smtpd->config->receive_override_options;

    if (string_equal_ignore_case(choice, "no"))
        smtpd->bare_newline = BARE_NEWLINE_NO;
    else if (string_equal_ignore_case(choice, "normalize") || string_equal_ignore_case(choice, "yes"))
        smtpd->bare_newline = BARE_NEWLINE_NORMALIZE;
    else if (string_equal_ignore_case(choice, "reject"))
        smtpd->bare_newline = BARE_NEWLINE_REJECT;
    else
        return error_set(error, "smtpd_forbid_bare_newline = %s: it is normalize, reject, yes or no", choice);
    smtpd->cleanup_flags = CLEANUP_FILTER | CLEANUP_BCC | CLEANUP_MAP;
    if (strstr(options, "no_header_body_checks") != NULL)
        smtpd->cleanup_flags &= ~CLEANUP_FILTER;
    if (strstr(options, "no_address_mappings") != NULL)
        smtpd->cleanup_flags &= ~(CLEANUP_BCC | CLEANUP_MAP);
    smtpd->check_recipients = smtpd->config->smtpd_reject_unlisted_recipient &&
                              strstr(options, "no_unknown_recipient_checks") == NULL;
    return true;
}

/* Whoever runs sendmail -bs could as well run sendmail. */
static bool needs_no_checks(const struct service_environment *environment)
{
    const struct passwd *owner = environment->alone ? getpwnam(environment->mail->mail_owner) : NULL;

    return environment->alone && (owner == NULL || owner->pw_uid != getuid());
}

/* What access controls look into, which may be files that an ordinary user cannot read. */
static bool open_checks(struct smtpd *smtpd, struct error *error)
{
    if (smtpd->unchecked) {
        smtpd->check_recipients = false;
        smtpd->relay_guarded = true;
        return true;
    }
    return open_all_tables(smtpd, error) && read_restrictions(smtpd, error);
}

bool smtpd_setup(struct service_environment *environment, struct error *error)
{
    struct smtpd *smtpd = memory_new(sizeof *smtpd);
    const struct dns_settings dns = {.servers = environment->mail->dns_servers};

    environment->state = smtpd;
    smtpd->environment = environment;
    smtpd->mail = environment->mail;
    smtpd->config = environment->parameters;
    smtpd->unchecked = needs_no_checks(environment);
    if (environment->chrooted)
        net_name_prepare(); /* for lookups of domains beyond ASCII */
    smtpd->interfaces = net_interfaces_list(&smtpd->interface_count, error);
    smtpd->dns = dns_new(&dns, error);
    if (smtpd->dns == NULL || !read_choices(smtpd, error) || !open_lists(smtpd, error) || !auth_setup(smtpd, error) ||
        !open_checks(smtpd, error) || !smtpd_tls_setup(smtpd, error))
        return false;
    smtpd->resolve = resolve_client_new(smtpd->mail, resolve_depends_on_sender(environment->config));
    smtpd->cleanup = submission_pool_new();
    return true;
}
