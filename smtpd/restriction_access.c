/* check_*_access: what tables say of clients, names and addresses (access(5)). */
#include <string.h>

#include "mail/address/address.h"
#include "mail/address/address_lookup.h"
#include "smtpd/restriction_functions.h"

/* smtpd_access_maps in parent_domain_matches_subdomains: example.com stands for its subdomains too. */
static int parent_keys(const struct judge *judge)
{
    const char *parents = judge->session->smtpd->mail->parent_domain_matches_subdomains;

    return match_parent_flag(parents, "smtpd_access_maps") != 0 ? LOOKUP_PARENTS : LOOKUP_DOT_PARENTS;
}

/* The table has said why it could not answer. */
static enum judgement lookup_failed(struct judge *judge, const struct restriction *restriction,
                                    enum restriction_list_kind about, const char *key)
{
    log_warning(NULL, "%s lookup error for \"%s\"", restriction->argument, key);
    return judge_reject(judge, 451, "4.3.5", "%s: %s rejected: Server configuration error",
                        judge_subject(judge, about), judge_class(about));
}

enum judgement restriction_apply(struct judge *judge, const struct restriction *restriction,
                                 enum restriction_list_kind about, const char *key, enum table_result found,
                                 struct text *value)
{
    enum judgement result = JUDGE_DUNNO;

    if (found == TABLE_ERROR)
        result = lookup_failed(judge, restriction, about, key);
    else if (found == TABLE_FOUND)
        result = access_judge(judge, about, restriction->argument, key, arena_copy(judge->arena, text_string(value)));
    text_free(value);
    return result;
}

static enum judgement check_name(struct judge *judge, const struct restriction *restriction,
                                 enum restriction_list_kind about, const char *name)
{
    struct text value = {0};
    struct error error;
    enum table_result found =
        domain_lookup(restriction->tables, name, LOOKUP_DOMAIN | parent_keys(judge), &value, &error);

    return restriction_apply(judge, restriction, about, name, found, &value);
}

/* 192.0.2.1, then 192.0.2, 192.0, 192; the same with the groups of an IPv6 address. */
static enum table_result address_block_lookup(struct table_list *tables, const char *address, struct text *value,
                                              struct error *error)
{
    char separator = strchr(address, ':') != NULL ? ':' : '.';
    struct text key = {0};
    enum table_result found = table_list_lookup(tables, address, value, error);

    text_append(&key, address);
    while (found == TABLE_NOT_FOUND) {
        char *cut = strrchr(key.data, separator);

        if (cut == NULL)
            break;
        text_truncate(&key, (size_t)(cut - key.data));
        for (size_t i = 0; found == TABLE_NOT_FOUND && i < table_list_count(tables); i++)
            if (!table_is_pattern(table_list_at(tables, i)))
                found = table_lookup(table_list_at(tables, i), key.data, value, error);
    }
    text_free(&key);
    return found;
}

static enum judgement check_address(struct judge *judge, const struct restriction *restriction)
{
    const char *address = judge->session->client.address_text;
    struct text value = {0};
    struct error error;
    enum table_result found = address_block_lookup(restriction->tables, address, &value, &error);

    return restriction_apply(judge, restriction, CLIENT_RESTRICTIONS, address, found, &value);
}

static enum judgement check_client(struct judge *judge, const struct restriction *restriction, const char *name)
{
    enum judgement result = check_name(judge, restriction, CLIENT_RESTRICTIONS, name);

    return result == JUDGE_DUNNO ? check_address(judge, restriction) : result;
}

enum judgement restriction_check_client_access(struct judge *judge, const struct restriction *restriction)
{
    return check_client(judge, restriction, judge->session->client.name.name);
}

enum judgement restriction_check_reverse_client_access(struct judge *judge, const struct restriction *restriction)
{
    return check_client(judge, restriction, judge->session->client.name.reverse_name);
}

/* local_header_rewrite_clients: that the table has the address is enough. */
enum judgement restriction_check_address_map(struct judge *judge, const struct restriction *restriction)
{
    struct text value = {0};
    struct error error;
    enum table_result found =
        table_list_lookup(restriction->tables, judge->session->client.address_text, &value, &error);

    text_free(&value);
    if (found == TABLE_ERROR)
        log_warning(NULL, "%s: %s", restriction->argument, error.text);
    return found == TABLE_FOUND ? JUDGE_PERMIT : JUDGE_DUNNO;
}

enum judgement restriction_check_helo_access(struct judge *judge, const struct restriction *restriction)
{
    if (judge->session->helo == NULL)
        return JUDGE_DUNNO;
    return check_name(judge, restriction, HELO_RESTRICTIONS, judge->session->helo);
}

static enum judgement check_mailbox(struct judge *judge, const struct restriction *restriction,
                                    enum restriction_list_kind about, const char *address)
{
    int keys = LOOKUP_ADDRESS | LOOKUP_DOMAIN | LOOKUP_USER_AT | parent_keys(judge);
    enum table_result found;
    struct text value = {0};
    struct error error;
    const char *key;

    if (address == NULL)
        return JUDGE_DUNNO;
    key = *address != '\0' ? address : judge->session->smtpd->config->smtpd_null_access_lookup_key;
    found = address_lookup(restriction->tables, key, keys, judge->session->smtpd->mail->recipient_delimiter, &value,
                           NULL, &error);
    return restriction_apply(judge, restriction, about, key, found, &value);
}

enum judgement restriction_check_sender_access(struct judge *judge, const struct restriction *restriction)
{
    return check_mailbox(judge, restriction, SENDER_RESTRICTIONS, judge_sender(judge));
}

enum judgement restriction_check_recipient_access(struct judge *judge, const struct restriction *restriction)
{
    return check_mailbox(judge, restriction, RECIPIENT_RESTRICTIONS, judge_recipient(judge));
}
