/* Restrictions on where mail would go: relaying, and users that do not exist. */
#include <string.h>

#include "mail/address/address.h"
#include "mail/address/address_lookup.h"
#include "mail/delivery/dsn.h"
#include "smtpd/restriction_functions.h"

bool restriction_resolve(struct judge *judge, const char *address, struct resolve_reply *reply,
                         enum judgement *judgement)
{
    struct smtpd *smtpd = judge->session->smtpd;
    const struct transaction *transaction = judge->session->transaction;
    const char *sender = transaction != NULL ? transaction->sender : "";
    struct error error;

    if (resolve_client_ask(smtpd->resolve, sender, address, judge->arena, reply, &error)) {
        if ((reply->flags & RESOLVE_FAILED) == 0)
            return true;
        error_set(&error, "%s", reply->nexthop);
    }
    *judgement = judge_lookup_failed(judge, arena_format(judge->arena, "<%s>", address), &error);
    return false;
}

/* ---- relaying ---- */

enum destination { DESTINATION_OURS, DESTINATION_FOREIGN, DESTINATION_JUDGED };

/* Ours: local, virtual, or in relay_domains, and without a route to somewhere else in it. */
static enum destination find_destination(struct judge *judge, enum judgement *judgement)
{
    const struct smtpd *smtpd = judge->session->smtpd;
    int ours = RESOLVE_LOCAL | RESOLVE_VIRTUAL_ALIAS | RESOLVE_VIRTUAL_MAILBOX | RESOLVE_RELAY;
    struct resolve_reply reply;

    const char *recipient = judge_recipient(judge);

    if (recipient == NULL)
        return DESTINATION_OURS; /* there is nothing to relay yet */
    if (!restriction_resolve(judge, recipient, &reply, judgement))
        return DESTINATION_JUDGED;
    if ((reply.flags & ours) == 0)
        return DESTINATION_FOREIGN;
    if ((reply.flags & RESOLVE_ROUTED) != 0 && !smtpd->config->allow_untrusted_routing)
        return DESTINATION_FOREIGN;
    return DESTINATION_OURS;
}

enum judgement restriction_permit_auth_destination(struct judge *judge, const struct restriction *restriction)
{
    enum judgement judgement;
    enum destination destination = find_destination(judge, &judgement);

    (void)restriction;
    if (destination == DESTINATION_JUDGED)
        return judgement;
    return destination == DESTINATION_OURS ? JUDGE_PERMIT : JUDGE_DUNNO;
}

static enum judgement refuse_relay(struct judge *judge, long code)
{
    enum judgement judgement;

    switch (find_destination(judge, &judgement)) {
    case DESTINATION_JUDGED: return judgement;
    case DESTINATION_FOREIGN:
        return judge_reject(judge, code, "5.7.1", "<%s>: Relay access denied", judge_recipient(judge));
    default: return JUDGE_DUNNO;
    }
}

enum judgement restriction_reject_unauth_destination(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return refuse_relay(judge, judge->session->smtpd->config->relay_domains_reject_code);
}

enum judgement restriction_defer_unauth_destination(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return refuse_relay(judge, 454);
}

/* ---- users that do not exist ---- */

/* A class of addresses: its flag, where its users are listed, and how its table is called in replies. */
struct user_class {
    int flag;
    enum recipient_map map;
    const char *table;
    long code;
};

static struct user_class class_of(const struct smtpd_config *config, int64_t flags)
{
    if ((flags & RESOLVE_LOCAL) != 0)
        return (struct user_class){RESOLVE_LOCAL, LOCAL_RECIPIENTS, "local recipient table",
                                   config->unknown_local_recipient_reject_code};
    if ((flags & RESOLVE_VIRTUAL_ALIAS) != 0)
        return (struct user_class){RESOLVE_VIRTUAL_ALIAS, ALIAS_RECIPIENTS, "virtual alias table",
                                   config->unknown_virtual_alias_reject_code};
    if ((flags & RESOLVE_VIRTUAL_MAILBOX) != 0)
        return (struct user_class){RESOLVE_VIRTUAL_MAILBOX, MAILBOX_RECIPIENTS, "virtual mailbox table",
                                   config->unknown_virtual_mailbox_reject_code};
    if ((flags & RESOLVE_RELAY) != 0)
        return (struct user_class){RESOLVE_RELAY, RELAY_RECIPIENTS, "relay recipient table",
                                   config->unknown_relay_recipient_reject_code};
    return (struct user_class){0};
}

static enum table_result listed_in(const struct smtpd *smtpd, enum recipient_map map, const char *address,
                                   bool local, struct error *error)
{
    int keys = LOOKUP_ADDRESS | LOOKUP_AT_DOMAIN | (local ? LOOKUP_BARE_USER : 0);
    struct text value = {0};
    enum table_result found;

    found = address_lookup(smtpd->recipients[map], address, keys, smtpd->mail->recipient_delimiter, &value, NULL,
                           error);
    text_free(&value);
    return found;
}

/* Any mapping that knows the address makes it one that exists. */
static enum table_result find_mapped(const struct smtpd *smtpd, const char *address, bool local, struct error *error)
{
    enum table_result found = listed_in(smtpd, CANONICAL_RECIPIENTS, address, local, error);

    return found == TABLE_NOT_FOUND ? listed_in(smtpd, ALIAS_RECIPIENTS, address, local, error) : found;
}

/* Mail that would only go to the error or retry transport is refused at the door, with the reason given there. */
static enum judgement reject_nowhere(struct judge *judge, const char *address, enum restriction_list_kind about,
                                     const struct resolve_reply *reply)
{
    bool later = string_equal(reply->transport, "retry");
    size_t length = dsn_length(reply->nexthop);
    const char *dsn = about == SENDER_RESTRICTIONS ? "5.1.0" : "5.1.1";
    const char *text = reply->nexthop + length + strspn(reply->nexthop + length, " ");

    if (!later && !string_equal(reply->transport, judge->session->smtpd->mail->error_service_name))
        return JUDGE_DUNNO;
    if (length > 0)
        dsn = arena_copy_bytes(judge->arena, reply->nexthop, length);
    return judge_reject(judge, later || *dsn == '4' ? 450 : 550, dsn, "<%s>: %s rejected: %s", address,
                        judge_class(about), *text != '\0' ? text : "Address is undeliverable");
}

static enum judgement unlisted(struct judge *judge, const char *address, enum restriction_list_kind about)
{
    const struct smtpd *smtpd = judge->session->smtpd;
    struct resolve_reply reply;
    struct user_class class;
    enum table_result found;
    enum judgement judgement;
    struct error error;

    if (address == NULL || *address == '\0')
        return JUDGE_DUNNO;
    if (!restriction_resolve(judge, address, &reply, &judgement))
        return judgement;
    if ((reply.flags & RESOLVE_ERROR) != 0)
        return judge_reject(judge, 550, about == SENDER_RESTRICTIONS ? "5.1.0" : "5.1.1", "<%s>: %s rejected: %s",
                            address, judge_class(about), "bad address syntax");
    class = class_of(smtpd->config, reply.flags);
    found = find_mapped(smtpd, reply.recipient, class.flag == RESOLVE_LOCAL, &error);
    if (found == TABLE_NOT_FOUND && class.map != ALIAS_RECIPIENTS &&
        (judgement = reject_nowhere(judge, address, about, &reply)) != JUDGE_DUNNO)
        return judgement;
    /* Without a list of users anyone may exist; aliases are their own list. */
    if (class.flag == 0 || (class.map != ALIAS_RECIPIENTS && table_list_empty(smtpd->recipients[class.map])))
        return JUDGE_DUNNO;
    if (found == TABLE_NOT_FOUND && class.map != ALIAS_RECIPIENTS)
        found = listed_in(smtpd, class.map, reply.recipient, class.flag == RESOLVE_LOCAL, &error);
    switch (found) {
    case TABLE_FOUND: return JUDGE_DUNNO;
    case TABLE_ERROR: return judge_lookup_failed(judge, arena_format(judge->arena, "<%s>", address), &error);
    default: break;
    }
    return judge_reject(judge, class.code, about == SENDER_RESTRICTIONS ? "5.1.0" : "5.1.1",
                        "<%s>: %s rejected: User unknown in %s", address, judge_class(about), class.table);
}

enum judgement restriction_unlisted_sender(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return unlisted(judge, judge_sender(judge), SENDER_RESTRICTIONS);
}

enum judgement restriction_unlisted_recipient(struct judge *judge, const struct restriction *restriction)
{
    (void)restriction;
    return unlisted(judge, judge_recipient(judge), RECIPIENT_RESTRICTIONS);
}

/* ---- without being asked ---- */

bool judge_unlisted_sender(struct judge *judge)
{
    judge->kind = SENDER_RESTRICTIONS;
    return judge->session->smtpd->unchecked || !judge->session->smtpd->config->smtpd_reject_unlisted_sender ||
           unlisted(judge, judge_sender(judge), SENDER_RESTRICTIONS) != JUDGE_REJECT;
}

bool judge_unlisted_recipient(struct judge *judge)
{
    judge->kind = RECIPIENT_RESTRICTIONS;
    return !judge->session->smtpd->check_recipients ||
           unlisted(judge, judge_recipient(judge), RECIPIENT_RESTRICTIONS) != JUDGE_REJECT;
}
