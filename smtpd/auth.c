#include "smtpd/auth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "mail/sasl/sasl_server.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "util/base/memory.h"

/* Longer than a server needs that lets those who guess passwords wait. */
#define LOGIN_SERVER_TIMEOUT (30 * SECONDS)

/* What the sessions share. */
struct login_service {
    struct sasl_server_settings settings;
    struct sasl_server *server; /* NULL: it cannot be had */
    struct sasl_options options, tls_options;
    struct match_list *exceptions, *mechanisms;
};

/* ---- at start ---- */

static bool read_options(const char *parameter, const char *words, struct sasl_options *options, struct error *error)
{
    return sasl_options_parse(words, options, error) || error_prefix(error, "%s = %s: ", parameter, words);
}

static bool open_list(struct match_list **list, const char *parameter, const char *patterns, int flags,
                      struct error *error)
{
    *list = match_list_new(patterns, flags, error);
    return *list != NULL || error_prefix(error, "%s: ", parameter);
}

static void open_server(struct login_service *logins)
{
    struct error error;

    logins->server = sasl_server_open(&logins->settings, &error);
    if (logins->server == NULL)
        log_error(NULL, "smtpd_sasl_type = %s, smtpd_sasl_path = %s: %s: nobody can log in until then",
                  logins->settings.type, logins->settings.path, error.text);
}

bool auth_setup(struct smtpd *smtpd, struct error *error)
{
    const struct smtpd_config *config = smtpd->config;
    struct login_service *logins;

    if (!config->smtpd_sasl_auth_enable)
        return true;
    logins = smtpd->logins = memory_new(sizeof *logins);
    logins->settings = (struct sasl_server_settings){.type = config->smtpd_sasl_type,
                                                     .path = config->smtpd_sasl_path,
                                                     .service = config->smtpd_sasl_service,
                                                     .local_domain = config->smtpd_sasl_local_domain,
                                                     .data_directory = smtpd->mail->data_directory,
                                                     .timeout = LOGIN_SERVER_TIMEOUT};
    prctl(PR_SET_DUMPABLE, 0); /* passwords pass through this process: it leaves no core file */
    if (!read_options("smtpd_sasl_security_options", config->smtpd_sasl_security_options, &logins->options, error) ||
        !read_options("smtpd_sasl_tls_security_options", config->smtpd_sasl_tls_security_options,
                      &logins->tls_options, error) ||
        !open_list(&logins->exceptions, "smtpd_sasl_exceptions_networks", config->smtpd_sasl_exceptions_networks,
                   MATCH_ADDRESSES, error) ||
        !open_list(&logins->mechanisms, "smtpd_sasl_mechanism_filter", config->smtpd_sasl_mechanism_filter, 0, error))
        return false;
    open_server(logins);
    return true;
}

/* ---- what a client may use ---- */

static bool login_allowed(const struct smtp_session *session)
{
    const struct smtpd *smtpd = session->smtpd;

    return smtpd->logins != NULL && (session->discarded & EHLO_AUTH) == 0 &&
           (session_is_encrypted(session) || !smtpd->config->smtpd_tls_auth_only);
}

/* Appends the names, a blank between two. False: the login server cannot be reached. */
static bool list_mechanisms(struct smtp_session *session, struct text *names)
{
    struct login_service *logins = session->smtpd->logins;
    const struct sasl_options *options = session_is_encrypted(session) ? &logins->tls_options : &logins->options;
    struct text all = {0};
    struct error error;
    char *cursor, *name;

    session->login_unavailable =
        logins->server == NULL ||
        !sasl_server_mechanisms(logins->server, options, session->binding != NULL, &all, &error);
    cursor = all.data;
    while (cursor != NULL && (name = string_next_word(&cursor, " ")) != NULL)
        if (sasl_filter_passes(logins->mechanisms, name, "smtpd_sasl_mechanism_filter"))
            text_append_format(names, "%s%s", names->length > 0 ? " " : "", name);
    text_free(&all);
    return !session->login_unavailable;
}

static bool is_exception(struct smtp_session *session)
{
    struct match_list *exceptions = session->smtpd->logins->exceptions;
    struct error error;

    switch (match_list_address(exceptions, &session->client.address, &error)) {
    case MATCH_NO: return false;
    case MATCH_YES: return true;
    default: log_warning(NULL, "smtpd_sasl_exceptions_networks: %s", error.text); return true;
    }
}

void auth_announce(struct smtp_session *session, struct text *lines)
{
    struct text names = {0};

    if (!login_allowed(session) || is_exception(session))
        return;
    if (list_mechanisms(session, &names) && names.length == 0)
        log_warning(NULL, "no SASL authentication mechanisms");
    if (names.length > 0) {
        text_append_format(lines, "AUTH %s\n", names.data);
        if (session->smtpd->config->broken_sasl_auth_clients)
            text_append_format(lines, "AUTH=%s\n", names.data);
    }
    text_free(&names);
}

/* Is the name one of those between blanks? */
static bool is_listed(const struct text *names, const char *name)
{
    char *copy = memory_copy_string(text_string(names)), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, " ")) != NULL)
        found = string_equal_ignore_case(word, name);
    free(copy);
    return found;
}

/* ---- the exchange ---- */

static void log_failure(struct smtp_session *session, const char *mechanism, const struct sasl_exchange *exchange,
                        const char *reason)
{
    client_wait(session);
    log_warning(NULL, "%s: SASL %.100s authentication failed: %s, sasl_username=%s", session->client.identity, mechanism,
                reason, exchange->username.length > 0 ? text_string(&exchange->username) : "(unavailable)");
}

static void answer_result(struct smtp_session *session, const char *mechanism, enum sasl_result result,
                          const struct sasl_exchange *exchange)
{
    const char *reason = exchange->reply.length > 0 ? text_string(&exchange->reply) : "(reason unavailable)";

    if (result == SASL_OK) {
        /* Who is anonymous has not logged in as anybody. */
        if (!string_equal_ignore_case(mechanism, "ANONYMOUS")) {
            session->sasl_method = arena_copy(session->arena, mechanism);
            session->sasl_username = arena_copy(session->arena, text_string(&exchange->username));
        }
        smtpd_reply(session, "235 2.7.0 Authentication successful");
        return;
    }
    log_failure(session, mechanism, exchange, reason);
    if (result == SASL_TEMPORARY)
        smtpd_reply(session, "454 4.7.0 Temporary authentication failure: %s", reason);
    else
        smtpd_reply(session, "535 5.7.8 Error: authentication failed: %s", reason);
}

/* The client's next line. False: there is none to go on with, and the client was told. */
static bool read_response(struct smtp_session *session, const char *mechanism, struct text *response)
{
    size_t limit = (size_t)session->smtpd->config->smtpd_sasl_response_limit;
    bool carriage_return = true;

    switch (stream_read_line(session->stream, response, limit, &carriage_return)) {
    case STREAM_OK: break;
    case STREAM_TOO_LONG:
        client_wait(session);
        log_warning(NULL, "%s: SASL response longer than %zu", session->client.identity, limit);
        smtpd_reply(session, "500 5.5.6 SASL response limit exceeded");
        return false;
    default: return false;
    }
    if (!carriage_return && session->bare_newline == BARE_NEWLINE_REJECT) {
        session_refuse_bare_newline(session, "AUTH");
        session->closing = true;
        return false;
    }
    if (strcmp(text_string(response), "*") != 0)
        return true;
    client_wait(session);
    log_warning(NULL, "%s: SASL %.100s authentication aborted", session->client.identity, mechanism);
    smtpd_reply(session, "501 5.7.0 Authentication aborted");
    return false;
}

static void converse(struct smtp_session *session, struct sasl_exchange *exchange, const char *mechanism,
                     const char *initial)
{
    enum sasl_result result = sasl_exchange_start(exchange, mechanism, initial);
    struct text response = {0};
    bool open = true;

    text_reserve(&response, (size_t)session->smtpd->config->smtpd_sasl_response_limit + 1);
    while (result == SASL_CONTINUE && open) {
        smtpd_reply_part(session, "334 %s", text_string(&exchange->reply));
        open = stream_flush(session->stream) == STREAM_OK && read_response(session, mechanism, &response);
        if (open)
            result = sasl_exchange_step(exchange, text_string(&response));
    }
    text_wipe(&response);
    if (open)
        answer_result(session, mechanism, result, exchange);
}

static void log_in(struct smtp_session *session, const char *mechanism, const char *initial)
{
    struct login_service *logins = session->smtpd->logins;
    const struct sasl_peer peer = {.local = session->server,
                                   .remote = session->client.address,
                                   .encrypted = session_is_encrypted(session),
                                   .tls_name = session->tls_name,
                                   .binding = session->binding};
    struct sasl_exchange exchange;
    struct text names = {0};

    sasl_exchange_begin(&exchange, logins->server, &peer);
    if (!list_mechanisms(session, &names)) {
        sasl_answer(&exchange, SASL_TEMPORARY, "Connection lost to authentication server");
        answer_result(session, mechanism, SASL_TEMPORARY, &exchange);
    } else if (!is_listed(&names, mechanism)) {
        sasl_answer(&exchange, SASL_FAILED, "Invalid authentication mechanism");
        answer_result(session, mechanism, SASL_FAILED, &exchange);
    } else {
        converse(session, &exchange, mechanism, initial);
    }
    sasl_exchange_end(&exchange);
    text_free(&names);
}

/* ---- the command ---- */

static void take_auth(struct smtp_session *session, char *arguments)
{
    char *mechanism = string_next_word(&arguments, " \t"), *initial = string_next_word(&arguments, " \t");

    if (mechanism == NULL || string_next_word(&arguments, " \t") != NULL)
        smtpd_reply(session, "501 5.5.4 Syntax: AUTH mechanism");
    else if (limits_allow(session, ANVIL_AUTH))
        log_in(session, mechanism, initial);
}

void smtpd_auth(struct smtp_session *session, const char *arguments)
{
    if (session->helo == NULL && session->smtpd->config->smtpd_helo_required)
        smtpd_reply(session, "503 5.5.1 Error: send HELO/EHLO first");
    else if (!login_allowed(session))
        smtpd_reply(session, "503 5.5.1 Error: authentication not enabled");
    else if (session->transaction != NULL)
        smtpd_reply(session, "503 5.5.1 Error: MAIL transaction in progress");
    else if (session->sasl_method != NULL)
        smtpd_reply(session, "503 5.5.1 Error: already authenticated");
    else
        take_auth(session, session->line.data + (arguments - session->line.data));
    text_wipe(&session->line);
}

/* ---- afterwards ---- */

void auth_forget(struct smtp_session *session)
{
    session->sasl_method = session->sasl_username = NULL;
}

void auth_hide(const struct smtp_session *session, struct text *input)
{
    const char *text = text_string(input), *found = NULL;

    if (strcmp(session->where, "AUTH") == 0)
        found = text;
    for (const char *at = text; found == NULL && *at != '\0'; at++)
        if (string_starts_ignore_case(at, "auth "))
            found = at + strlen("auth ");
    if (found == NULL || *found == '\0')
        return;
    text_truncate(input, (size_t)(found - text));
    text_append(input, "(not shown)");
}

void auth_append_log(const struct smtp_session *session, const char *separator, struct text *line)
{
    const struct transaction *transaction = session->transaction;

    if (session->sasl_method == NULL)
        return;
    text_append_format(line, "%ssasl_method=%s%ssasl_username=%s", separator, session->sasl_method, separator,
                       session->sasl_username);
    if (transaction != NULL && transaction->sasl_sender != NULL)
        text_append_format(line, "%ssasl_sender=%s", separator, transaction->sasl_sender);
}
