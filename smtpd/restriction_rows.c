/* The restrictions by name, and those that need no more than a look at the session. */
#include <stdlib.h>
#include <string.h>

#include "smtpd/restriction_functions.h"

static enum judgement run_permit(struct judge *judge, const struct restriction *restriction)
{
    (void)judge, (void)restriction;
    return JUDGE_PERMIT;
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
#define RESTRICTION(name, argument, guards_relay, run) {#name, run},
#include "mail/restriction/restriction.def"
#undef RESTRICTION
};

const struct restriction_row *restriction_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (string_equal_ignore_case(rows[i].name, name))
            return &rows[i];
    return NULL;
}
