#include "smtpd/restriction_functions.h"
#include "util/net/tls.h"

#include <stdlib.h>
#include <string.h>

#include "mail/restriction/restriction.h"
#include "smtpd/auth.h"
#include "smtpd/client.h"
#include "util/base/memory.h"

enum { RESTRICTION_DEPTH_LIMIT = 30 };

struct restriction_list {
    struct restriction *items;
    size_t count;
};

static void restriction_list_free(struct restriction_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        table_list_close(list->items[i].tables);
        if (list->items[i].list != NULL)
            restriction_list_free(list->items[i].list);
        free(list->items[i].name);
        free(list->items[i].argument);
    }
    free(list->items);
    free(list);
}

/* ---- reading lists ---- */

static const char *table_row_name(enum restriction_list_kind kind)
{
    switch (kind) {
    case CLIENT_RESTRICTIONS: return "check_client_access";
    case HELO_RESTRICTIONS: return "check_helo_access";
    case SENDER_RESTRICTIONS: return "check_sender_access";
    case LOCAL_REWRITE_CLIENTS: return "check_address_map";
    default: return "check_recipient_access";
    }
}

static bool read_item(struct smtpd *smtpd, struct restriction *item, const struct restriction_word *word,
                      enum restriction_list_kind kind, int depth, struct error *error);

static struct restriction_list *read_list(struct smtpd *smtpd, const char *text, enum restriction_list_kind kind,
                                          int depth, struct error *error)
{
    struct restriction_list *list = memory_new(sizeof *list);
    char *copy = memory_copy_string(text), *cursor = copy;
    struct restriction_word word;
    enum restriction_next next;

    while ((next = restriction_next(&cursor, table_row_name(kind), &word, error)) == RESTRICTION_WORD) {
        list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
        if (!read_item(smtpd, &list->items[list->count++], &word, kind, depth, error))
            next = RESTRICTION_BAD;
        if (next == RESTRICTION_BAD)
            break;
    }
    free(copy);
    if (next == RESTRICTION_END)
        return list;
    restriction_list_free(list);
    return NULL;
}

static bool read_class(struct smtpd *smtpd, struct restriction *item, enum restriction_list_kind kind, int depth,
                       struct error *error)
{
    const char *text = config_get(smtpd->environment->config, item->name);

    if (depth > RESTRICTION_DEPTH_LIMIT)
        return error_set(error, "restriction class %s contains itself", item->name);
    if (text == NULL)
        return error_set(error, "restriction class %s is not defined", item->name);
    item->list = read_list(smtpd, text, kind, depth + 1, error);
    return item->list != NULL || error_prefix(error, "restriction class %s: ", item->name);
}

/* One that cannot be read is answered with 451, as a word that is no restriction is. */
static void read_certificate_table(struct restriction *item)
{
    struct error error;

    if (restriction_read_certificate_table(item, item->argument, &error))
        return;
    log_warning(NULL, "%s: %s", item->name, error.text);
    item->row = NULL;
}

static bool read_item(struct smtpd *smtpd, struct restriction *item, const struct restriction_word *word,
                      enum restriction_list_kind kind, int depth, struct error *error)
{
    *item = (struct restriction){.name = memory_copy_string(word->name), .row = restriction_find(word->name)};
    item->guards_relay = word->known != NULL && word->known->guards_relay;
    if (word->argument != NULL)
        item->argument = memory_copy_string(word->argument);
    if (word->known == NULL)
        return !restriction_is_class(smtpd->config->smtpd_restriction_classes, word->name) ||
               read_class(smtpd, item, kind, depth, error);
    if (word->known->argument == ARGUMENT_CERTIFICATE_TABLE)
        read_certificate_table(item);
    if (word->known->argument == ARGUMENT_TABLE)
        item->tables = table_list_open(word->argument, error);
    return word->known->argument != ARGUMENT_TABLE || item->tables != NULL;
}

struct restriction_list *restriction_list_new(struct smtpd *smtpd, const char *text, enum restriction_list_kind kind,
                                              struct error *error)
{
    return read_list(smtpd, text, kind, 0, error);
}

bool restriction_list_guards_relay(const struct restriction_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].guards_relay)
            return true;
        if (list->items[i].list != NULL && restriction_list_guards_relay(list->items[i].list))
            return true;
    }
    return false;
}

/* ---- judging ---- */

void judge_begin(struct judge *judge, struct smtp_session *session, struct arena *arena, const char *stage)
{
    *judge = (struct judge){.session = session, .arena = arena, .stage = stage};
}

static enum judgement run_unknown(struct judge *judge, const char *name)
{
    log_warning(NULL, "unknown smtpd restriction: \"%s\"", name);
    return judge_reject(judge, 451, "4.3.5", "Server configuration error");
}

static enum judgement run_one(struct judge *judge, const struct restriction *restriction)
{
    if (restriction->list != NULL)
        return restrictions_run(judge, restriction->list);
    if (restriction->row == NULL)
        return run_unknown(judge, restriction->name);
    return restriction->row->run(judge, restriction);
}

enum judgement restrictions_run(struct judge *judge, const struct restriction_list *list)
{
    enum judgement result = JUDGE_DUNNO;

    for (size_t i = 0; i < list->count && result == JUDGE_DUNNO; i++) {
        bool warned = judge->warn;

        result = run_one(judge, &list->items[i]);
        if (warned) /* it was for this one restriction */
            judge->warn = false;
    }
    return result;
}

enum judgement restrictions_run_text(struct judge *judge, const char *text)
{
    struct error error;
    struct restriction_list *list;
    enum judgement result;

    if (judge->depth > RESTRICTION_DEPTH_LIMIT || strchr(text, ':') != NULL) {
        log_warning(NULL, "access table result \"%s\": %s", text,
                    judge->depth > RESTRICTION_DEPTH_LIMIT
                        ? "restrictions refer to one another without end"
                        : "do not specify lookup tables inside SMTPD access maps; define a restriction class");
        return judge_reject(judge, 451, "4.3.5", "Server configuration error");
    }
    list = read_list(judge->session->smtpd, text, judge->kind, 0, &error);
    if (list == NULL) {
        log_warning(NULL, "access table result \"%s\": %s", text, error.text);
        return judge_reject(judge, 451, "4.3.5", "Server configuration error");
    }
    judge->depth++;
    result = restrictions_run(judge, list);
    judge->depth--;
    restriction_list_free(list);
    return result;
}

bool judge_list(struct judge *judge, enum restriction_list_kind kind)
{
    const struct restriction_list *list = judge->session->smtpd->restrictions[kind];

    if (list == NULL || list->count == 0)
        return true;
    client_wait(judge->session);
    judge->kind = kind;
    judge->warn = false;
    return restrictions_run(judge, list) != JUDGE_REJECT;
}

bool judge_end(struct judge *judge)
{
    if (judge->defer_if_permit == NULL)
        return true;
    judge->reply = judge->defer_if_permit;
    judge_log(judge, "reject", judge->reply);
    return false;
}

/* ---- what restrictions ask ---- */

const char *judge_sender(const struct judge *judge)
{
    const struct transaction *transaction = judge->session->transaction;

    return transaction != NULL ? transaction->sender : NULL;
}

const char *judge_recipient(const struct judge *judge)
{
    const struct transaction *transaction = judge->session->transaction;

    if (transaction == NULL)
        return NULL;
    if (transaction->recipient.address == NULL && transaction->recipient_count == 1)
        return transaction->first_recipient;
    return transaction->recipient.address;
}

/* ---- what restrictions say ---- */

void judge_log(const struct judge *judge, const char *action, const char *text)
{
    const struct smtp_session *session = judge->session;
    const char *sender = judge_sender(judge), *recipient = judge_recipient(judge);
    struct text line = {0};

    text_append_format(&line, "%s: %s from %s: %s;", action, judge->stage, session->client.identity, text);
    if (sender != NULL)
        text_append_format(&line, " from=<%s>", sender);
    if (recipient != NULL)
        text_append_format(&line, " to=<%s>", recipient);
    text_append_format(&line, " proto=%s", session->protocol);
    if (session->helo != NULL)
        text_append_format(&line, " helo=<%s>", session->helo);
    auth_append_log(session, " ", &line);
    log_info(&session->log, "%s", text_string(&line));
    text_free(&line);
}

/* The enhanced code follows the reply code's class. */
static const char *format_reply(struct judge *judge, long code, const char *dsn, const char *format, va_list arguments)
{
    const char *text = arena_format_list(judge->arena, format, arguments);

    if (judge->session->smtpd->mail->soft_bounce && code >= 500)
        code -= 100;
    return arena_format(judge->arena, "%ld %ld%s %s", code, code / 100, dsn + 1, text);
}

enum judgement judge_reject(struct judge *judge, long code, const char *dsn, const char *format, ...)
{
    const char *reply;
    va_list arguments;

    va_start(arguments, format);
    reply = format_reply(judge, code, dsn, format, arguments);
    va_end(arguments);
    if (judge->warn) {
        judge_log(judge, "reject_warning", reply);
        return JUDGE_DUNNO;
    }
    if (*reply == '5' && judge->defer_if_reject != NULL)
        reply = judge->defer_if_reject;
    judge_log(judge, "reject", reply);
    judge->reply = reply;
    return JUDGE_REJECT;
}

enum judgement judge_defer_if_permit(struct judge *judge, long code, const char *dsn, const char *format, ...)
{
    va_list arguments;
    const char *reply;

    va_start(arguments, format);
    reply = format_reply(judge, code, dsn, format, arguments);
    va_end(arguments);
    if (judge->warn)
        judge_log(judge, "reject_warning", reply);
    else if (judge->defer_if_permit == NULL)
        judge->defer_if_permit = reply;
    return JUDGE_DUNNO;
}

enum judgement judge_lookup_failed(struct judge *judge, const char *subject, const struct error *error)
{
    log_warning(&judge->session->log, "%s: %s", subject, error->text);
    return judge_reject(judge, 451, "4.3.0", "%s: Temporary lookup failure", subject);
}

const char *judge_class(enum restriction_list_kind kind)
{
    switch (kind) {
    case CLIENT_RESTRICTIONS:
    case LOCAL_REWRITE_CLIENTS: return "Client host";
    case HELO_RESTRICTIONS: return "Helo command";
    case SENDER_RESTRICTIONS: return "Sender address";
    case DATA_RESTRICTIONS: return "Data command";
    case END_OF_DATA_RESTRICTIONS: return "End-of-data";
    case ETRN_RESTRICTIONS: return "Etrn command";
    case CLIENT_CERTIFICATE: return "Client certificate";
    case SASL_LOGIN_NAME: return "SASL login name";
    default: return "Recipient address";
    }
}

const char *judge_subject(const struct judge *judge, enum restriction_list_kind kind)
{
    const struct smtp_session *session = judge->session;
    const char *subject = NULL;

    switch (kind) {
    case HELO_RESTRICTIONS: subject = session->helo; break;
    case SENDER_RESTRICTIONS: subject = judge_sender(judge); break;
    case RELAY_RESTRICTIONS:
    case RECIPIENT_RESTRICTIONS: subject = judge_recipient(judge); break;
    case DATA_RESTRICTIONS: subject = "DATA"; break;
    case END_OF_DATA_RESTRICTIONS: subject = "END-OF-MESSAGE"; break;
    case CLIENT_CERTIFICATE: subject = session->tls->subject_cn; break;
    case SASL_LOGIN_NAME: subject = session->sasl_username; break;
    default: break;
    }
    return arena_format(judge->arena, "<%s>", subject != NULL ? subject : session->client.identity);
}
