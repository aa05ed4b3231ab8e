/* The restrictions by name, and those that need no more than a look at the session. */
#include <stdlib.h>
#include <string.h>

#include "smtpd/restriction_functions.h"

static enum judgement run_permit(struct judge *judge, const struct restriction *restriction)
{
    (void)judge, (void)restriction;
    return JUDGE_PERMIT;
}

/* Without STARTTLS nobody has shown a certificate. */
static enum judgement run_permit_certified(struct judge *judge, const struct restriction *restriction)
{
    (void)judge, (void)restriction;
    return JUDGE_DUNNO;
}

static enum judgement run_reject(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return judge_reject(judge, judge->session->smtpd->config->reject_code, "5.7.1", "%s: %s rejected: Access denied",
                        judge_subject(judge, judge->kind), judge_class(judge->kind));
}

static enum judgement run_defer(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return judge_reject(judge, judge->session->smtpd->config->defer_code, "4.3.2", "%s: %s rejected: Try again later",
                        judge_subject(judge, judge->kind), judge_class(judge->kind));
}

static enum judgement run_defer_if_permit(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return judge_defer_if_permit(judge, judge->session->smtpd->config->defer_code, "4.3.2",
                                 "%s: %s rejected: defer_if_permit requested", judge_subject(judge, judge->kind),
                                 judge_class(judge->kind));
}

static enum judgement run_defer_if_reject(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    if (judge->defer_if_reject == NULL)
        judge->defer_if_reject = arena_format(
            judge->arena, "%ld 4.3.2 %s: %s rejected: defer_if_reject requested",
            judge->session->smtpd->config->defer_code, judge_subject(judge, judge->kind), judge_class(judge->kind));
    return JUDGE_DUNNO;
}

static enum judgement run_warn_if_reject(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    judge->warn = true;
    return JUDGE_DUNNO;
}

static enum judgement run_sleep(struct judge *judge, const struct restriction *restriction)
{
    (void)judge;
    task_sleep(strtol(restriction->argument, NULL, 10) * SECONDS);
    return JUDGE_DUNNO;
}

static enum judgement run_permit_mynetworks(struct judge *judge, const struct restriction *restriction)
{
    const struct client *client = &judge->session->client;
    struct error error;

    (void)restriction;
    switch (match_list_client(judge->session->smtpd->mynetworks, client->name.name, &client->address, &error)) {
    case MATCH_YES: return JUDGE_PERMIT;
    case MATCH_ERROR:
        error_prefix(&error, "mynetworks: ");
        return judge_lookup_failed(judge, judge_subject(judge, judge->kind), &error);
    default: return JUDGE_DUNNO;
    }
}

static enum judgement run_permit_inet_interfaces(struct judge *judge, const struct restriction *restriction)
{
    const struct smtpd *smtpd = judge->session->smtpd;

    (void)restriction;
    for (size_t i = 0; i < smtpd->interface_count; i++)
        if (net_address_equal(&smtpd->interfaces[i].address, &judge->session->client.address))
            return JUDGE_PERMIT;
    return JUDGE_DUNNO;
}

static enum judgement run_reject_unauth_pipelining(struct judge *judge, const struct restriction *restriction)
{
    struct smtp_session *session = judge->session;

    (void)restriction;
    if (!stream_has_input(session->stream) || (session->extended && judge->kind != DATA_RESTRICTIONS))
        return JUDGE_DUNNO;
    return judge_reject(judge, 503, "5.5.0", "%s: %s rejected: Improper use of SMTP command pipelining",
                        judge_subject(judge, judge->kind), judge_class(judge->kind));
}

static enum judgement run_reject_multi_recipient_bounce(struct judge *judge, const struct restriction *restriction)
{
    const struct transaction *transaction = judge->session->transaction;

    (void)restriction;
    if (transaction == NULL || *transaction->sender != '\0' || transaction->recipient_count <= 1)
        return JUDGE_DUNNO;
    return judge_reject(judge, 550, "5.5.3", "%s: %s rejected: Multi-recipient bounce",
                        judge_subject(judge, judge->kind), judge_class(judge->kind));
}

static const struct restriction_row rows[] = {
    {"permit", ARGUMENT_NONE, false, run_permit},
    {"reject", ARGUMENT_NONE, true, run_reject},
    {"defer", ARGUMENT_NONE, true, run_defer},
    {"defer_if_permit", ARGUMENT_NONE, true, run_defer_if_permit},
    {"defer_if_reject", ARGUMENT_NONE, false, run_defer_if_reject},
    {"warn_if_reject", ARGUMENT_NONE, false, run_warn_if_reject},
    {"sleep", ARGUMENT_WORD, false, run_sleep},
    {"permit_mynetworks", ARGUMENT_NONE, false, run_permit_mynetworks},
    {"permit_inet_interfaces", ARGUMENT_NONE, false, run_permit_inet_interfaces},
    {"permit_sasl_authenticated", ARGUMENT_NONE, false, restriction_permit_authenticated},
    {"permit_tls_clientcerts", ARGUMENT_NONE, false, run_permit_certified},
    {"permit_tls_all_clientcerts", ARGUMENT_NONE, false, run_permit_certified},
    {"reject_unauth_pipelining", ARGUMENT_NONE, false, run_reject_unauth_pipelining},
    {"reject_multi_recipient_bounce", ARGUMENT_NONE, false, run_reject_multi_recipient_bounce},

    {"check_client_access", ARGUMENT_TABLE, false, restriction_check_client_access},
    {"check_address_map", ARGUMENT_TABLE, false, restriction_check_address_map},
    {"check_reverse_client_hostname_access", ARGUMENT_TABLE, false, restriction_check_reverse_client_access},
    {"check_helo_access", ARGUMENT_TABLE, false, restriction_check_helo_access},
    {"check_sender_access", ARGUMENT_TABLE, false, restriction_check_sender_access},
    {"check_recipient_access", ARGUMENT_TABLE, false, restriction_check_recipient_access},
    {"check_sasl_access", ARGUMENT_TABLE, false, restriction_check_sasl_access},

    {"reject_unknown_client_hostname", ARGUMENT_NONE, false, restriction_unknown_client},
    {"reject_unknown_client", ARGUMENT_NONE, false, restriction_unknown_client},
    {"reject_unknown_reverse_client_hostname", ARGUMENT_NONE, false, restriction_unknown_reverse_client},
    {"reject_non_fqdn_helo_hostname", ARGUMENT_NONE, false, restriction_non_fqdn_helo},
    {"reject_non_fqdn_hostname", ARGUMENT_NONE, false, restriction_non_fqdn_helo},
    {"reject_invalid_helo_hostname", ARGUMENT_NONE, false, restriction_invalid_helo},
    {"reject_invalid_hostname", ARGUMENT_NONE, false, restriction_invalid_helo},
    {"reject_non_fqdn_sender", ARGUMENT_NONE, false, restriction_non_fqdn_sender},
    {"reject_non_fqdn_recipient", ARGUMENT_NONE, false, restriction_non_fqdn_recipient},
    {"reject_unknown_sender_domain", ARGUMENT_NONE, false, restriction_unknown_sender_domain},
    {"reject_unknown_recipient_domain", ARGUMENT_NONE, false, restriction_unknown_recipient_domain},

    {"reject_sender_login_mismatch", ARGUMENT_NONE, false, restriction_sender_mismatch},
    {"reject_known_sender_login_mismatch", ARGUMENT_NONE, false, restriction_known_sender_mismatch},
    {"reject_authenticated_sender_login_mismatch", ARGUMENT_NONE, false, restriction_authenticated_sender_mismatch},
    {"reject_unauthenticated_sender_login_mismatch", ARGUMENT_NONE, false,
     restriction_unauthenticated_sender_mismatch},

    {"permit_auth_destination", ARGUMENT_NONE, false, restriction_permit_auth_destination},
    {"reject_unauth_destination", ARGUMENT_NONE, true, restriction_reject_unauth_destination},
    {"defer_unauth_destination", ARGUMENT_NONE, true, restriction_defer_unauth_destination},
    {"reject_unlisted_sender", ARGUMENT_NONE, false, restriction_unlisted_sender},
    {"reject_unlisted_recipient", ARGUMENT_NONE, false, restriction_unlisted_recipient},
};

const struct restriction_row *restriction_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (string_equal_ignore_case(rows[i].name, name))
            return &rows[i];
    return NULL;
}
