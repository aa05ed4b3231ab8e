/* What a client's TLS certificate permits, and what tables say of it. */
#include <stdlib.h>
#include <string.h>

#include "smtpd/restriction_functions.h"
#include "smtpd/tls.h"
#include "util/base/memory.h"

/* Asked for in main.cf, without which no client shows a certificate. */
static bool is_asked_for(const struct judge *judge, const char *restriction)
{
    const struct smtpd_tls *tls = judge->session->smtpd->tls;

    if (judge->session->tls == NULL)
        return false;
    if (tls->ask == TLS_ASK_NOT)
        log_warning(NULL, "%s is requested, but \"smtpd_tls_ask_ccert = no\"", restriction);
    return tls->ask != TLS_ASK_NOT;
}

enum judgement restriction_permit_tls_all_clientcerts(struct judge *judge, const struct restriction *restriction)
{
    return is_asked_for(judge, restriction->name) && judge->session->tls->trust >= TLS_TRUSTED ? JUDGE_PERMIT
                                                                                               : JUDGE_DUNNO;
}

/* A fingerprint that the table has is enough: no CA is needed. */
enum judgement restriction_permit_tls_clientcerts(struct judge *judge, const struct restriction *restriction)
{
    const struct tls_peer *peer = judge->session->tls;
    struct table_list *table;
    struct text value = {0};
    struct error error;
    enum table_result found;

    if (!is_asked_for(judge, restriction->name) || !peer->certificate)
        return JUDGE_DUNNO;
    table = judge->session->smtpd->tls->relay_clientcerts;
    found = table_list_lookup(table, peer->certificate_fingerprint, &value, &error);
    if (found == TABLE_NOT_FOUND)
        found = table_list_lookup(table, peer->key_fingerprint, &value, &error);
    text_free(&value);
    if (found != TABLE_ERROR)
        return found == TABLE_FOUND ? JUDGE_PERMIT : JUDGE_DUNNO;
    error_prefix(&error, "relay_clientcerts: ");
    return judge_lookup_failed(judge, judge_subject(judge, CLIENT_CERTIFICATE), &error);
}

/* ---- check_ccert_access ---- */

static bool read_order(struct restriction *restriction, char *words, struct error *error)
{
    char *word;

    while ((word = string_next_word(&words, " \t\r\n,")) != NULL) {
        bool key = strcmp(word, "pubkey_fingerprint") == 0;

        if (!key && strcmp(word, "cert_fingerprint") != 0)
            return error_set(error, "unknown search type '%s': it is cert_fingerprint or pubkey_fingerprint", word);
        if (restriction->order_count == RESTRICTION_ORDER_LIMIT)
            return error_set(error, "search_order names more than two");
        restriction->order[restriction->order_count++] = key ? CERTIFICATE_KEY : CERTIFICATE_ITSELF;
    }
    return restriction->order_count > 0 || error_set(error, "search_order is empty");
}

/* "{ type:table, { search_order = cert_fingerprint, pubkey_fingerprint } }". */
bool restriction_read_certificate_table(struct restriction *restriction, const char *argument, struct error *error)
{
    char *copy = memory_copy_string(argument), *cursor = copy, *inner, *table, *attribute;
    bool good = true;

    restriction->order[0] = CERTIFICATE_ITSELF;
    restriction->order[1] = CERTIFICATE_KEY;
    restriction->order_count = RESTRICTION_ORDER_LIMIT;
    inner = *argument == '{' ? string_next_word_braced(&cursor, " \t\r\n,") : NULL;
    table = inner != NULL ? string_next_word_grouped(&inner, " \t\r\n,") : copy;
    if (table == NULL)
        good = error_set(error, "%s %s: a table is missing", restriction->name, argument);
    while (good && inner != NULL && (attribute = string_next_word_braced(&inner, " \t\r\n,")) != NULL) {
        char *equals = strchr(attribute, '=');

        restriction->order_count = 0;
        if (equals == NULL || strncmp(attribute, "search_order", 12) != 0)
            good = error_set(error, "%s: an attribute is written { search_order = ... }", argument);
        else
            good = read_order(restriction, equals + 1, error);
    }
    if (good)
        restriction->tables = table_list_open(table, error);
    free(copy);
    return good && restriction->tables != NULL;
}

enum judgement restriction_check_ccert_access(struct judge *judge, const struct restriction *restriction)
{
    const struct tls_peer *peer = judge->session->tls;
    enum judgement result = JUDGE_DUNNO;

    if (!is_asked_for(judge, restriction->name) || !peer->certificate)
        return JUDGE_DUNNO;
    for (size_t i = 0; i < restriction->order_count && result == JUDGE_DUNNO; i++) {
        const char *key = restriction->order[i] == CERTIFICATE_KEY ? peer->key_fingerprint : peer->certificate_fingerprint;
        struct text value = {0};
        struct error error;
        enum table_result found = table_list_lookup(restriction->tables, key, &value, &error);
        bool answered = found == TABLE_FOUND;

        result = restriction_apply(judge, restriction, CLIENT_CERTIFICATE, key, found, &value);
        if (answered) /* DUNNO too is an answer */
            break;
    }
    return result;
}
