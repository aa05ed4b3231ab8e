/* The extensions' parameters: SIZE (RFC 1870), BODY (6152), RET, ENVID, NOTIFY, ORCPT (3461), SMTPUTF8 (6531),
 * REQUIRETLS (8689). */
#include "smtpd/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"

/* ---- the path ---- */

static const char *skip_blanks(const char *text)
{
    while (ascii_is_space(*text))
        text++;
    return text;
}

static void log_bad_address(struct smtp_session *session, const char *command, const char *arguments)
{
    client_wait(session);
    log_warning(NULL, "Illegal address syntax from %s in %s command: %s", session->client.identity, command, arguments);
}

const char *envelope_path(const char *arguments, const char *keyword)
{
    if (!string_starts_ignore_case(arguments, keyword))
        return NULL;
    arguments = skip_blanks(arguments + strlen(keyword));
    if (*arguments != ':')
        return NULL;
    arguments = skip_blanks(arguments + 1);
    return *arguments != '\0' ? arguments : NULL;
}

bool envelope_read_path(struct smtp_session *session, const char *command, const char *path, struct text *address,
                        const char **rest)
{
    if (address_parse_path(path, session->smtpd->config->strict_rfc821_envelopes,
                           session->smtpd->mail->smtputf8_enable, address, rest))
        return true;
    log_bad_address(session, command, path);
    return false;
}

bool envelope_read_recipient(struct smtp_session *session, const char *path, struct text *address, const char **rest)
{
    if (!envelope_read_path(session, "RCPT", path, address, rest))
        return false;
    if (address->length == 0)
        log_bad_address(session, "RCPT", path);
    return address->length > 0;
}

/* ---- parameters ---- */

/* One parameter's refusal, NULL: taken. */
typedef const char *parameter_fn(struct smtp_session *session, struct transaction *transaction, const char *value);

static const char unsupported[] = ""; /* the refusal of a value that belongs to another extension */

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
        return unsupported;
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
    bool good = xtext_decode(value, &plain) && plain.length > 0 && is_one_line(&plain);

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

static const char *take_requiretls(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    if (!session->smtpd->mail->requiretls_enable || session->tls == NULL || (session->discarded & EHLO_REQUIRETLS) != 0)
        return unsupported;
    if (*value != '\0')
        return "501 5.5.4 Bad REQUIRETLS parameter syntax";
    transaction->sendopts |= SENDOPT_REQUIRETLS;
    return NULL;
}

/* RFC 4954 section 5: who is said to have sent it first; believed of clients that have logged in. */
static const char *take_auth(struct smtp_session *session, struct transaction *transaction, const char *value)
{
    if (session->sasl_method != NULL && *value != '\0' && strcmp(value, "<>") != 0)
        transaction->sasl_sender = arena_copy(transaction->arena, value);
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
    bool good = semicolon != NULL && semicolon > value && *transaction->recipient.dsn_orig_rcpt == '\0' &&
                xtext_decode(semicolon + 1, &plain) && is_one_line(&plain);

    (void)session;
    if (good && plain.length > 0)
        transaction->recipient.dsn_orig_rcpt =
            arena_format(transaction->arena, "%.*s;%s", (int)(semicolon - value), value, text_string(&plain));
    text_free(&plain);
    return good ? NULL : "501 5.5.4 Error: Bad ORCPT parameter syntax";
}

static const struct parameter_row mail_parameters_taken[] = {
    {"SIZE", EHLO_SIZE, take_size},   {"BODY", EHLO_8BITMIME, take_body}, {"RET", EHLO_DSN, take_ret},
    {"ENVID", EHLO_DSN, take_envid},  {"SMTPUTF8", EHLO_SMTPUTF8, take_smtputf8},
    {"AUTH", EHLO_AUTH, take_auth},   {"REQUIRETLS", EHLO_REQUIRETLS, take_requiretls},
    {NULL, 0, NULL},
};

static const struct parameter_row rcpt_parameters_taken[] = {
    {"NOTIFY", EHLO_DSN, take_notify},
    {"ORCPT", EHLO_DSN, take_orcpt},
    {NULL, 0, NULL},
};

static bool take_parameters(struct smtp_session *session, const struct parameter_row *rows, const char *text)
{
    struct transaction *transaction = session->transaction;
    char *cursor = arena_copy(transaction->arena, text), *word;

    while ((word = string_next_word(&cursor, " \t")) != NULL) {
        char *value = strchr(word, '=');
        const struct parameter_row *row = rows;
        const char *refusal = unsupported;

        if (value != NULL)
            *value++ = '\0';
        while (row->name != NULL && !string_equal_ignore_case(row->name, word))
            row++;
        if (row->name != NULL && (session->discarded & row->keyword & EHLO_DSN) != 0)
            refusal = "501 5.7.1 DSN support is disabled";
        else if (row->name != NULL && (session->discarded & row->keyword & EHLO_SMTPUTF8) == 0)
            refusal = row->take(session, transaction, value != NULL ? value : "");
        if (refusal == NULL)
            continue;
        if (value != NULL)
            value[-1] = '=';
        if (refusal == unsupported)
            smtpd_reply(session, "555 5.5.4 Unsupported option: %s", word);
        else
            smtpd_reply(session, "%s", refusal);
        return false;
    }
    return true;
}

bool envelope_take_mail_parameters(struct smtp_session *session, const char *text)
{
    return take_parameters(session, mail_parameters_taken, text);
}

bool envelope_take_rcpt_parameters(struct smtp_session *session, const char *text)
{
    return take_parameters(session, rcpt_parameters_taken, text);
}
