/* MAIL and RCPT: RFC 5321 sections 4.1.1.2 and 4.1.1.3, with the parameters of SIZE (RFC 1870), 8BITMIME (6152),
 * DSN (3461) and SMTPUTF8 (6531). */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "mail/address/address.h"
#include "mail/submit/submission.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"

/* ---- parameters ---- */

/* One parameter's refusal, NULL: taken. */
typedef const char *parameter_fn(struct smtp_session *session, struct transaction *transaction, const char *value);

struct parameter_row {
    const char *name;
    unsigned keyword; /* the extension it belongs to */
    parameter_fn *take;
};

static const char *take_size(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    if (!string_all_digits(value) || strlen(value) > 18)
        return "501 5.5.4 Bad message size syntax";
    transaction->size = strtoll(value, NULL, 10);
    (void)session;
    return NULL;
}

static const char *take_body(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    (void)session;
    if (string_equal_ignore_case(value, "8BITMIME"))
        transaction->encoding = "8bit";
    else if (string_equal_ignore_case(value, "7BIT"))
        transaction->encoding = "7bit";
    else
        return "501 5.5.4 Unsupported body type";
    return NULL;
}

static const char *take_ret(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    (void)session;
    if (transaction->dsn_ret != DSN_RET_NONE)
        return "501 5.5.4 Bad RET parameter syntax";
    if (string_equal_ignore_case(value, "FULL"))
        transaction->dsn_ret = DSN_RET_FULL;
    else if (string_equal_ignore_case(value, "HDRS"))
        transaction->dsn_ret = DSN_RET_HDRS;
    else
        return "501 5.5.4 Bad RET parameter syntax";
    return NULL;
}

/* What goes into reports must be one line of text. */
static bool is_one_line(const struct text *text)
{
    return strcspn(text_string(text), "\r\n") == text->length;
}

static const char *take_envid(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    struct text plain = {0};
    bool good = xtext_decode(value, &plain) && plain.length > 0 && plain.length <= 100 && is_one_line(&plain);

    (void)session;
    if (good && *transaction->dsn_envid == '\0')
        transaction->dsn_envid = arena_copy(transaction->arena, text_string(&plain));
    else
        good = false;
    text_free(&plain);
    return good ? NULL : "501 5.5.4 Bad ENVID parameter syntax";
}

static const char *take_smtputf8(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    if (!session->smtpd->mail->smtputf8_enable || *value != '\0')
        return "501 5.5.4 Bad SMTPUTF8 parameter syntax";
    transaction->sendopts |= SENDOPT_SMTPUTF8;
    return NULL;
}

static const char *take_notify(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    static const struct {
        const char *name;
        int flag;
    } names[] = {{"NEVER", DSN_NOTIFY_NEVER},
                 {"SUCCESS", DSN_NOTIFY_SUCCESS},
                 {"FAILURE", DSN_NOTIFY_FAILURE},
                 {"DELAY", DSN_NOTIFY_DELAY}};
    char *cursor = arena_copy(transaction->arena, value), *word;
    int notify = 0;

    (void)session;
    while ((word = string_next_word(&cursor, ",")) != NULL) {
        int flag = 0;

        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (string_equal_ignore_case(word, names[i].name))
                flag = names[i].flag;
        if (flag == 0 || (notify & flag) != 0)
            return "501 5.5.4 Error: Bad NOTIFY parameter syntax";
        notify |= flag;
    }
    if (notify == 0 || (notify != DSN_NOTIFY_NEVER && (notify & DSN_NOTIFY_NEVER) != 0) ||
        transaction->recipient.dsn_notify != 0)
        return "501 5.5.4 Error: Bad NOTIFY parameter syntax";
    transaction->recipient.dsn_notify = notify;
    return NULL;
}

static const char *take_orcpt(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    struct text plain = {0};
    const char *semicolon = strchr(value, ';');
    bool good = semicolon != NULL && semicolon > value && semicolon[1] != '\0' &&
                *transaction->recipient.dsn_orig_rcpt == '\0' && xtext_decode(semicolon + 1, &plain) &&
                is_one_line(&plain);

    (void)session;
    if (good)
        transaction->recipient.dsn_orig_rcpt =
            arena_format(transaction->arena, "%.*s;%s", (int)(semicolon - value), value, text_string(&plain));
    text_free(&plain);
    return good ? NULL : "501 5.5.4 Error: Bad ORCPT parameter syntax";
}

static const struct parameter_row mail_parameters_taken[] = {
    {"SIZE", EHLO_SIZE, take_size},   {"BODY", EHLO_8BITMIME, take_body}, {"RET", EHLO_DSN, take_ret},
    {"ENVID", EHLO_DSN, take_envid},  {"SMTPUTF8", EHLO_SMTPUTF8, take_smtputf8},
    {NULL, 0, NULL},
};

static const struct parameter_row rcpt_parameters_taken[] = {
    {"NOTIFY", EHLO_DSN, take_notify},
    {"ORCPT", EHLO_DSN, take_orcpt},
    {NULL, 0, NULL},
};

/* Takes "NAME=value NAME". False: answered. */
static bool take_parameters(struct smtp_session *session, struct transaction *transaction,
                            const struct parameter_row *rows, const char *text)
{
    char *cursor = arena_copy(transaction->arena, text), *word;

    while ((word = string_next_word(&cursor, " \t")) != NULL) {
        char *value = strchr(word, '=');
        const struct parameter_row *row = rows;
        const char *refusal;

        if (value != NULL)
            *value++ = '\0';
        while (row->name != NULL && (!string_equal_ignore_case(row->name, word) ||
                                     (session->discarded & row->keyword) != 0))
            row++;
        if (row->name == NULL) {
            if (value != NULL)
                value[-1] = '=';
            smtpd_reply(session, "555 5.5.4 Unsupported option: %s", word);
            return false;
        }
        refusal = row->take(session, transaction, value != NULL ? value : "");
        if (refusal != NULL) {
            smtpd_reply(session, "%s", refusal);
            return false;
        }
    }
    return true;
}

/* ---- the argument: "FROM:<path> parameters" ---- */

/* Blanks may stand around the colon. NULL: it is something else. */
static const char *behind_keyword(const char *arguments, const char *keyword)
{
    size_t length = strlen(keyword);

    if (!string_starts_ignore_case(arguments, keyword))
        return NULL;
    arguments += length;
    while (ascii_is_space(*arguments))
        arguments++;
    return *arguments == ':' ? arguments + 1 : NULL;
}

static void log_bad_address(struct smtp_session *session, const char *command, const char *arguments)
{
    client_wait(session);
    log_warning(NULL, "Illegal address syntax from %s in %s command: %s", session->client.identity, command, arguments);
}

static const char *skip_blanks(const char *text)
{
    while (ascii_is_space(*text))
        text++;
    return text;
}

/* ---- MAIL ---- */

static struct transaction *new_transaction(void)
{
    struct arena *arena = arena_new();
    struct transaction *transaction = arena_alloc(arena, sizeof *transaction);

    transaction->arena = arena;
    transaction->sender = transaction->encoding = transaction->dsn_envid = "";
    transaction->recipient.dsn_orig_rcpt = "";
    return transaction;
}

static bool mail_in_order(struct smtp_session *session)
{
    if (session->helo == NULL && session->smtpd->config->smtpd_helo_required)
        smtpd_reply(session, "503 5.5.1 Error: send HELO/EHLO first");
    else if (session->transaction != NULL)
        smtpd_reply(session, "503 5.5.1 Error: nested MAIL command");
    else
        return true;
    return false;
}

static void reject_and_log(struct smtp_session *session, const char *reply)
{
    struct judge judge = {.session = session, .stage = "MAIL"};

    client_wait(session);
    judge_log(&judge, "reject", reply);
    smtpd_reply(session, "%s", reply);
}

/* Room for the message, and for one of the greatest size besides. */
static bool queue_has_room(const struct smtp_session *session)
{
    const struct mail_config *mail = session->smtpd->mail;
    int64_t wanted = mail->queue_minfree > 0 ? mail->queue_minfree : mail->message_size_limit * 3 / 2;
    struct statvfs file_system;

    if (fstatvfs(session->smtpd->environment->queue_fd, &file_system) != 0)
        return true;
    return (int64_t)(file_system.f_bavail * file_system.f_frsize) > wanted + session->transaction->size;
}

/* Size and sender as our own limits and restrictions see them. */
static bool sender_accepted(struct smtp_session *session)
{
    const struct mail_config *mail = session->smtpd->mail;
    struct judge judge;

    if (mail->message_size_limit > 0 && session->transaction->size > mail->message_size_limit) {
        reject_and_log(session, "552 5.3.4 Message size exceeds fixed limit");
        return false;
    }
    if (!queue_has_room(session)) {
        reject_and_log(session, "452 4.3.1 Insufficient system storage");
        return false;
    }
    if (session->smtpd->config->smtpd_delay_reject)
        return true;
    judge_begin(&judge, session, session->transaction->arena, "MAIL");
    if (judge_list(&judge, SENDER_RESTRICTIONS) && judge_end(&judge))
        return true;
    smtpd_reply(session, "%s", judge.reply);
    return false;
}

static bool read_sender(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;
    const char *path = behind_keyword(arguments, "FROM"), *rest;
    struct text address = {0};
    bool good;

    if (path == NULL || *skip_blanks(path) == '\0') {
        smtpd_reply(session, "501 5.5.4 Syntax: MAIL FROM:<address>");
        return false;
    }
    good = address_parse_path(path, session->smtpd->config->strict_rfc821_envelopes,
                              session->smtpd->mail->smtputf8_enable, &address, &rest);
    if (good) {
        transaction->sender = arena_copy(transaction->arena, text_string(&address));
        good = take_parameters(session, transaction, mail_parameters_taken, rest);
    } else {
        log_bad_address(session, "MAIL", path);
        smtpd_reply(session, "501 5.1.7 Bad sender address syntax");
    }
    text_free(&address);
    return good;
}

void smtpd_mail(struct smtp_session *session, const char *arguments)
{
    if (!mail_in_order(session))
        return;
    session->transaction = new_transaction();
    if (read_sender(session, arguments) && sender_accepted(session))
        smtpd_reply(session, "250 2.1.0 Ok");
    else
        session_end_transaction(session);
}

/* ---- RCPT ---- */

static bool read_recipient(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;
    const char *path = behind_keyword(arguments, "TO"), *rest;
    struct text address = {0};
    bool good;

    if (path == NULL || *skip_blanks(path) == '\0') {
        smtpd_reply(session, "501 5.5.4 Syntax: RCPT TO:<address>");
        return false;
    }
    good = address_parse_path(path, session->smtpd->config->strict_rfc821_envelopes,
                              session->smtpd->mail->smtputf8_enable, &address, &rest) &&
           address.length > 0;
    transaction->recipient = (struct recipient){.dsn_orig_rcpt = ""};
    if (good) {
        transaction->recipient.address = arena_copy(transaction->arena, text_string(&address));
        good = take_parameters(session, transaction, rcpt_parameters_taken, rest);
    } else {
        log_bad_address(session, "RCPT", path);
        smtpd_reply(session, "501 5.1.3 Bad recipient address syntax");
    }
    text_free(&address);
    return good;
}

/* smtpd_recipient_limit; beyond the overshoot each is an error. */
static bool within_limit(struct smtp_session *session)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct transaction *transaction = session->transaction;

    if (transaction->recipient_count < (size_t)config->smtpd_recipient_limit)
        return true;
    smtpd_reply(session, "452 4.5.3 Error: too many recipients");
    if (transaction->overshoot++ < (size_t)config->smtpd_recipient_overshoot_limit)
        session->errors--;
    return false;
}

static bool judge_destination(struct judge *judge, const struct smtpd_config *config)
{
    bool relay_first = config->smtpd_relay_before_recipient_restrictions;

    return judge_list(judge, relay_first ? RELAY_RESTRICTIONS : RECIPIENT_RESTRICTIONS) &&
           judge_list(judge, relay_first ? RECIPIENT_RESTRICTIONS : RELAY_RESTRICTIONS);
}

static bool recipient_accepted(struct smtp_session *session)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct arena *arena = arena_new();
    struct judge judge;
    bool accepted = true;

    client_wait(session);
    judge_begin(&judge, session, arena, "RCPT");
    if (!session->smtpd->relay_guarded) {
        judge_reject(&judge, 451, "4.3.5", "Server configuration error");
        accepted = false;
    }
    if (accepted && config->smtpd_delay_reject)
        accepted = judge_list(&judge, CLIENT_RESTRICTIONS) && judge_list(&judge, HELO_RESTRICTIONS) &&
                   judge_list(&judge, SENDER_RESTRICTIONS) && judge_unlisted_sender(&judge);
    accepted = accepted && judge_destination(&judge, config) && judge_unlisted_recipient(&judge) && judge_end(&judge);
    if (!accepted)
        smtpd_reply(session, "%s", judge.reply);
    arena_free(arena);
    return accepted;
}

static void add_attribute(struct arena *arena, struct ipc_strings *attributes, const char *name, const char *value)
{
    attributes->items[attributes->count++] = arena_format(arena, "%s=%s", name, value);
}

enum { CLIENT_ATTRIBUTES = 15 };

/* In the order in which Postfix has them in its files. */
static void describe_client(struct smtp_session *session, struct arena *arena, struct ipc_strings *attributes)
{
    const struct client *client = &session->client;
    char server[NET_ADDRESS_SIZE];

    attributes->items = arena_alloc(arena, CLIENT_ATTRIBUTES * sizeof *attributes->items);
    add_attribute(arena, attributes, "log_client_name", client->name.name);
    add_attribute(arena, attributes, "log_client_address", client->address_text);
    add_attribute(arena, attributes, "log_client_port", client->port);
    add_attribute(arena, attributes, "log_message_origin", client->identity);
    if (session->helo != NULL)
        add_attribute(arena, attributes, "log_helo_name", session->helo);
    add_attribute(arena, attributes, "log_protocol_name", session->protocol);
    add_attribute(arena, attributes, "client_name", client->name.name);
    add_attribute(arena, attributes, "reverse_client_name", client->name.reverse_name);
    add_attribute(arena, attributes, "client_address", client->address_text);
    add_attribute(arena, attributes, "client_port", client->port);
    add_attribute(arena, attributes, "server_address", net_address_print(&session->server, server));
    add_attribute(arena, attributes, "server_port", arena_format(arena, "%u", net_address_port(&session->server)));
    if (session->helo != NULL)
        add_attribute(arena, attributes, "helo_name", session->helo);
    add_attribute(arena, attributes, "protocol_name", session->protocol);
    add_attribute(arena, attributes, "client_address_type",
                  net_address_family(&client->address) == AF_INET6 ? "6" : "4");
}

static struct submission *begin_submission(struct smtp_session *session, struct error *error)
{
    const struct transaction *transaction = session->transaction;
    struct cleanup_open open = {.flags = session->smtpd->cleanup_flags,
                                .sender = transaction->sender,
                                .arrival_time = clock_wall(),
                                .encoding = transaction->encoding,
                                .sendopts = transaction->sendopts,
                                .dsn_envid = transaction->dsn_envid,
                                .dsn_ret = transaction->dsn_ret,
                                .rewrite_context = session->local_rewrite ? "local" : "remote",
                                .filter = session->smtpd->config->content_filter,
                                .client = session->client.identity,
                                .helo = session->helo != NULL ? session->helo : "",
                                .protocol = session->protocol,
                                .queue = "incoming"};

    describe_client(session, transaction->arena, &open.attributes);
    return submission_open(session->smtpd->cleanup, session->smtpd->mail, &open, error);
}

/* The queue file is begun with the first recipient; its ID identifies the session from then on. */
static bool open_submission(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;
    struct error error;

    if (transaction->submission != NULL)
        return true;
    transaction->submission = begin_submission(session, &error);
    if (transaction->submission == NULL) {
        log_warning(NULL, "%s", error.text);
        smtpd_reply(session, "451 4.3.0 Error: queue file write error");
        return false;
    }
    transaction->first_recipient = transaction->recipient.address;
    session->log.identity = arena_copy(transaction->arena, submission_queue_id(transaction->submission));
    log_info(&session->log, "client=%s", session->client.identity);
    return true;
}

static void submit_recipient(struct transaction *transaction)
{
    const struct cleanup_recipient recipient = {.address = transaction->recipient.address,
                                                .original = "",
                                                .dsn_orig_rcpt = transaction->recipient.dsn_orig_rcpt,
                                                .dsn_notify = transaction->recipient.dsn_notify};

    submission_recipient(transaction->submission, &recipient);
    transaction->recipient_count++;
}

void smtpd_rcpt(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;

    if (transaction == NULL) {
        smtpd_reply(session, "503 5.5.1 Error: need MAIL command");
    } else if (transaction->content_begun) {
        smtpd_reply(session, "503 5.5.1 Error: RCPT after BDAT");
    } else if (read_recipient(session, arguments) && within_limit(session) && recipient_accepted(session) &&
               open_submission(session)) {
        submit_recipient(transaction);
        smtpd_reply(session, "250 2.1.5 Ok");
    }
    if (session->transaction != NULL)
        session->transaction->recipient.address = NULL;
}
