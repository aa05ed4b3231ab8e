/* What a login permits, and which sender addresses it owns. */
#include <stdlib.h>
#include <string.h>

#include "mail/address/address_lookup.h"
#include "smtpd/restriction_functions.h"
#include "util/base/memory.h"

/* A client that could not be offered a login, since the login server cannot be reached, is told to come again: it may
 * be one that had logged in. */
enum judgement restriction_permit_authenticated(struct judge *judge, const struct restriction *restriction)
{
    const struct smtp_session *session = judge->session;

    (void)restriction;
    if (session->sasl_username != NULL)
        return JUDGE_PERMIT;
    if (session->login_unavailable && judge->defer_if_reject == NULL)
        judge->defer_if_reject = "454 4.7.0 Temporary authentication failure: the login server cannot be reached";
    return JUDGE_DUNNO;
}

enum judgement restriction_check_sasl_access(struct judge *judge, const struct restriction *restriction)
{
    const char *username = judge->session->sasl_username;
    struct text value = {0};
    struct error error;
    enum table_result found;

    if (username == NULL)
        return JUDGE_DUNNO;
    found = table_list_lookup(restriction->tables, username, &value, &error);
    return restriction_apply(judge, restriction, SASL_LOGIN_NAME, username, found, &value);
}

/* ---- smtpd_sender_login_maps ---- */

static bool is_owner(const struct text *owners, const char *username)
{
    char *copy = memory_copy_string(text_string(owners)), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        found = string_equal_ignore_case(word, username);
    free(copy);
    return found;
}

/* The users that own the sender's address. False: judged already. */
static bool find_owners(struct judge *judge, const char *sender, struct text *owners, enum table_result *found,
                        enum judgement *judgement)
{
    const struct smtpd *smtpd = judge->session->smtpd;
    int keys = LOOKUP_ADDRESS | LOOKUP_AT_DOMAIN;
    struct resolve_reply reply;
    struct error error;

    if (!restriction_resolve(judge, sender, &reply, judgement))
        return false;
    if ((reply.flags & RESOLVE_LOCAL) != 0)
        keys |= LOOKUP_BARE_USER;
    *found = address_lookup(smtpd->sender_logins, sender, keys, smtpd->mail->recipient_delimiter, owners, NULL, &error);
    if (*found != TABLE_ERROR)
        return true;
    *judgement = judge_lookup_failed(judge, arena_format(judge->arena, "<%s>", sender), &error);
    return false;
}

/* known_only: an address that nobody owns is anybody's. */
static enum judgement reject_mismatch(struct judge *judge, const struct restriction *restriction, bool known_only)
{
    const char *sender = judge_sender(judge), *username = judge->session->sasl_username;
    struct text owners = {0};
    enum judgement judgement = JUDGE_DUNNO;
    enum table_result found;

    if (judge->session->smtpd->logins == NULL) {
        log_warning(NULL, "restriction %s is ignored: smtpd_sasl_auth_enable = no", restriction->name);
        return JUDGE_DUNNO;
    }
    if (sender == NULL || *sender == '\0')
        return JUDGE_DUNNO;
    if (find_owners(judge, sender, &owners, &found, &judgement)) {
        bool owned = found == TABLE_FOUND;

        if (username == NULL && owned)
            judgement = judge_reject(judge, 553, "5.7.1", "<%s>: Sender address rejected: not logged in", sender);
        else if (username != NULL && (owned || !known_only) && !is_owner(&owners, username))
            judgement = judge_reject(judge, 553, "5.7.1", "<%s>: Sender address rejected: not owned by user %s", sender,
                                     username);
    }
    text_free(&owners);
    return judgement;
}

enum judgement restriction_sender_mismatch(struct judge *judge, const struct restriction *restriction)
{
    return reject_mismatch(judge, restriction, false);
}

enum judgement restriction_known_sender_mismatch(struct judge *judge, const struct restriction *restriction)
{
    return reject_mismatch(judge, restriction, true);
}

enum judgement restriction_authenticated_sender_mismatch(struct judge *judge, const struct restriction *restriction)
{
    return judge->session->sasl_username != NULL ? reject_mismatch(judge, restriction, false) : JUDGE_DUNNO;
}

enum judgement restriction_unauthenticated_sender_mismatch(struct judge *judge, const struct restriction *restriction)
{
    return judge->session->sasl_username == NULL ? reject_mismatch(judge, restriction, false) : JUDGE_DUNNO;
}
