#include "smtp/auth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "mail/address/address_lookup.h"
#include "mail/sasl/sasl_client.h"
#include "smtp/auth_cache.h"
#include "smtp/token.h"
#include "util/base/base64.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/table.h"
#include "util/task/offload.h"

enum { COMMAND_LINE_LIMIT = 512 }; /* with CR LF: RFC 5321 section 4.5.3.1.4 holds for AUTH too */

/* How long the command of smtp_sasl_token_command may take. */
#define TOKEN_TIMEOUT (60 * SECONDS)

struct smtp_logins {
    struct table_list *passwords;
    struct match_list *mechanisms;
    struct sasl_options options[SESSION_SECURITIES];
    struct auth_cache *refused; /* NULL: not kept */
    struct token_source *tokens; /* NULL: the password is the token */
};

/* ---- at start ---- */

static bool read_options(struct smtp_logins *logins, const struct smtp_config *config, struct error *error)
{
    const char *words[SESSION_SECURITIES] = {config->sasl_security_options, config->sasl_tls_security_options,
                                             config->sasl_tls_verified_security_options};

    for (int i = 0; i < SESSION_SECURITIES; i++)
        if (!sasl_options_parse(words[i], &logins->options[i], error))
            return error_prefix(error, "bad smtp_sasl_security_options value: %s: ", words[i]);
    return true;
}

/* A table or command that cannot be had is logged; what needs it waits. */
static void open_helpers(struct smtp_logins *logins, const struct smtp_config *config, const struct config *main_cf)
{
    struct error error;

    if (*config->sasl_auth_cache_name != '\0') {
        logins->refused = auth_cache_open(config->sasl_auth_cache_name, config->sasl_auth_cache_time, &error);
        if (logins->refused == NULL)
            log_error(NULL, "smtp_sasl_auth_cache_name: %s", error.text);
    }
    if (*config->sasl_token_command != '\0') {
        logins->tokens = token_source_new(config->sasl_token_command, config_get(main_cf, "export_environment"),
                                          TOKEN_TIMEOUT, &error);
        if (logins->tokens == NULL)
            log_error(NULL, "smtp_sasl_token_command: %s", error.text);
    }
}

bool smtp_logins_open(struct smtp_client *client, const struct config *main_cf, struct error *error)
{
    const struct smtp_config *config = client->config;
    struct smtp_logins *logins;

    if (!config->sasl_auth_enable)
        return true;
    if (strcmp(config->sasl_type, "cyrus") != 0)
        return error_set(error, "smtp_sasl_type = %s: there is only cyrus, which stands for what is built in",
                         config->sasl_type);
    logins = client->logins = memory_new(sizeof *logins);
    prctl(PR_SET_DUMPABLE, 0); /* passwords pass through this process: it leaves no core file */
    logins->passwords = table_list_open(config->sasl_password_maps, error);
    if (logins->passwords == NULL)
        return error_prefix(error, "smtp_sasl_password_maps: ");
    logins->mechanisms = match_list_new(config->sasl_mechanism_filter, 0, error);
    if (logins->mechanisms == NULL)
        return error_prefix(error, "smtp_sasl_mechanism_filter: ");
    open_helpers(logins, config, main_cf);
    return read_options(logins, config, error);
}

const char *smtp_login_owner(const struct smtp_client *client, const char *sender)
{
    return client->logins != NULL && client->config->sender_dependent_authentication ? sender : "";
}

/* ---- one login ---- */

struct login {
    struct smtp_session *session;
    struct smtp_logins *logins;
    struct arena *arena;
    struct smtp_trouble *trouble;
    const char *username;
    struct text secret;   /* as the table has it: the password, or what the token's command asks for */
    struct text password; /* what is sent: the same, or the token */
    const struct sasl_client_mechanism *mechanism;
};

/* It is not the server's word that ends it. */
static bool give_up(struct login *login, const char *reason)
{
    error_set(&login->trouble->reason, "SASL authentication failed; cannot authenticate to server %s: %s",
              login->session->peer, reason);
    smtp_session_set_trouble(login->session, "4.7.0", NULL, login->arena, login->trouble);
    return false;
}

static bool lose(struct login *login)
{
    smtp_session_lost(login->session, "performing the EHLO handshake", login->arena, login->trouble);
    return false;
}

/* ---- name and password ---- */

static enum table_result look_up(struct login *login, const char *nexthop, const char *sender, struct text *value)
{
    const struct smtp_client *client = login->session->client;
    struct table_list *tables = login->logins->passwords;
    const char *keys[] = {login->session->host, nexthop};
    enum table_result found = TABLE_NOT_FOUND;
    struct error error;

    if (client->config->sender_dependent_authentication && *sender != '\0')
        found = address_lookup(tables, sender, LOOKUP_ADDRESS | LOOKUP_AT_DOMAIN, client->mail->recipient_delimiter,
                               value, NULL, &error);
    for (size_t i = 0; i < sizeof keys / sizeof *keys && found == TABLE_NOT_FOUND; i++)
        found = table_list_lookup(tables, keys[i], value, &error);
    if (found == TABLE_ERROR)
        log_warning(NULL, "smtp_sasl_password_maps: %s", error.text);
    return found;
}

/* "name:password" at the first delimiter. */
static void split_entry(struct login *login, const char *entry)
{
    const char *delimiter = login->session->client->config->sasl_password_result_delimiter;
    const char *end = *delimiter != '\0' ? strstr(entry, delimiter) : NULL;

    login->username = end != NULL ? arena_copy_bytes(login->arena, entry, (size_t)(end - entry))
                                  : arena_copy(login->arena, entry);
    text_append(&login->secret, end != NULL ? end + strlen(delimiter) : "");
}

static enum table_result find_password(struct login *login, const char *nexthop, const char *sender)
{
    struct text value = {0};
    enum table_result found = look_up(login, nexthop, sender, &value);

    if (found == TABLE_FOUND)
        split_entry(login, text_string(&value));
    text_wipe(&value);
    if (found != TABLE_ERROR)
        return found;
    error_set(&login->trouble->reason, "local data error while talking to %s", login->session->peer);
    smtp_session_set_trouble(login->session, "4.3.0", NULL, login->arena, login->trouble);
    return found;
}

static struct token_request token_request(const struct login *login)
{
    return (struct token_request){login->username, login->session->host, text_string(&login->secret)};
}

static bool find_token(struct login *login)
{
    const struct token_request request = token_request(login);
    struct error error;

    if (!sasl_client_wants_token(login->mechanism) || login->logins->tokens == NULL) {
        text_append_bytes(&login->password, login->secret.data, login->secret.length);
        return true;
    }
    if (token_get(login->logins->tokens, &request, &login->password, &error))
        return true;
    log_warning(NULL, "smtp_sasl_token_command: %s", error.text);
    return give_up(login, "no token can be had");
}

/* ---- the mechanism ---- */

/* A token is asked for where the administrator says so: a password must not be taken for one. */
static bool usable(const struct login *login, const struct sasl_client_mechanism *mechanism)
{
    const struct smtp_session *session = login->session;

    if (sasl_client_wants_binding(mechanism) && session->binding == NULL)
        return false;
    if (sasl_client_wants_token(mechanism) && login->logins->tokens == NULL &&
        match_list_empty(login->logins->mechanisms))
        return false;
    return sasl_options_permit(&login->logins->options[session->security], sasl_client_properties(mechanism));
}

static bool choose_mechanism(struct login *login)
{
    struct smtp_session *session = login->session;
    char *cursor = arena_copy(login->arena, session->offer.mechanisms), *name;
    bool tokens_first = login->logins->tokens != NULL, any = false;

    while ((name = string_next_word(&cursor, " ")) != NULL) {
        const struct sasl_client_mechanism *mechanism = sasl_client_mechanism(name);

        if (!sasl_filter_passes(login->logins->mechanisms, name, "smtp_sasl_mechanism_filter"))
            continue;
        any = true;
        if (mechanism != NULL && usable(login, mechanism) &&
            (login->mechanism == NULL || sasl_client_better(mechanism, login->mechanism, tokens_first)))
            login->mechanism = mechanism;
    }
    if (login->mechanism != NULL)
        return true;
    if (any)
        return give_up(login, "no mechanism available");
    log_warning(NULL, "%s offered no supported AUTH mechanisms: '%s'", session->relay, session->offer.mechanisms);
    error_set(&login->trouble->reason,
              "SASL authentication failed: server %s offered no compatible authentication mechanisms for this type of "
              "connection security",
              session->peer);
    smtp_session_set_trouble(session, "4.7.0", NULL, login->arena, login->trouble);
    return false;
}

/* ---- refusals ---- */

static struct auth_cache_login cache_login(const struct login *login)
{
    return (struct auth_cache_login){login->session->host, login->username, text_string(&login->secret)};
}

/* smtp_sasl_auth_soft_bounce: mail waits, although the refusal is for good. */
static const char *soften(const struct login *login, const char *dsn)
{
    char *soft = arena_copy(login->arena, dsn);

    if (login->session->client->config->sasl_auth_soft_bounce)
        *soft = '4';
    return soft;
}

static bool refused_before(struct login *login)
{
    const struct auth_cache_login key = cache_login(login);
    const char *dsn, *text;

    if (login->logins->refused == NULL || sasl_client_wants_token(login->mechanism))
        return false;
    text = auth_cache_find(login->logins->refused, &key, &dsn, login->arena);
    if (text == NULL)
        return false;
    error_set(&login->trouble->reason, "SASL [CACHED] authentication failed; server %s said: %s", login->session->host,
              text);
    smtp_session_set_trouble(login->session, soften(login, dsn), text, login->arena, login->trouble);
    return true;
}

/* What the server says is its last word. */
static bool take_refusal(struct login *login)
{
    struct smtp_session *session = login->session;
    const struct token_request token = token_request(login);
    const struct auth_cache_login key = cache_login(login);
    const char *said = smtp_reply_line(&session->reply, login->arena);

    if (sasl_client_wants_token(login->mechanism) && login->logins->tokens != NULL)
        token_forget(login->logins->tokens, &token);
    else if (session->reply.code == 535 && login->logins->refused != NULL)
        auth_cache_remember(login->logins->refused, &key, session->reply.dsn, said);
    error_set(&login->trouble->reason, "SASL authentication failed; server %s said: %s", session->peer, said);
    smtp_session_set_trouble(session, soften(login, session->reply.dsn), said, login->arena, login->trouble);
    return false;
}

/* ---- the exchange ---- */

static bool receive(struct login *login)
{
    return smtp_session_receive(login->session, login->session->client->config->helo_timeout) || lose(login);
}

/* Sends a message in base64; command stands before it, and an empty message beside it is a "=". */
static bool send_message(struct login *login, const char *command, const struct text *message)
{
    struct text line = {0};

    text_reserve(&line, strlen(command) + message->length * 4 / 3 + 8);
    text_append(&line, command);
    if (*command != '\0' && message->length == 0)
        text_append_char(&line, '=');
    base64_encode(message->data, message->length, &line);
    text_append(&line, "\r\n");
    stream_write(login->session->stream, line.data, line.length);
    text_wipe(&line);
    return receive(login);
}

/* "AUTH MECHANISM", with the first message if there is one, and if it fits into the line; else the server asks for it. */
static bool send_command(struct login *login, struct sasl_client *client)
{
    char *command = arena_format(login->arena, "AUTH %s ", sasl_client_name(login->mechanism));
    struct text message = {0};
    bool initial = sasl_client_initial(client, &message), good;

    if (initial && strlen(command) + (message.length + 2) / 3 * 4 + 2 <= COMMAND_LINE_LIMIT) {
        good = send_message(login, command, &message);
    } else {
        stream_print(login->session->stream, "%s\r\n", string_trim(command));
        good = receive(login);
        if (good && initial && login->session->reply.code == 334)
            good = send_message(login, "", &message);
    }
    text_wipe(&message);
    return good;
}

struct answer {
    struct sasl_client *client;
    struct text challenge, response;
    struct error error;
    bool good;
};

/* In a worker thread: how much SCRAM has to compute is the server's choice. */
static void find_response(void *argument)
{
    struct answer *answer = argument;

    answer->good = sasl_client_respond(answer->client, &answer->challenge, &answer->response, &answer->error);
}

static bool answer_challenge(struct login *login, struct sasl_client *client)
{
    const char *text = text_string(&login->session->reply.text);
    struct answer answer = {.client = client};
    bool good;

    if (base64_decode(strlen(text) > 4 ? text + 4 : "", &answer.challenge))
        offload_run(find_response, &answer);
    else
        error_set(&answer.error, "the server's challenge is not in base64");
    if (answer.good) {
        good = send_message(login, "", &answer.response);
    } else {
        stream_print(login->session->stream, "*\r\n");
        good = receive(login) && give_up(login, answer.error.text);
    }
    text_wipe(&answer.challenge);
    text_wipe(&answer.response);
    return good;
}

static bool converse(struct login *login, struct sasl_client *client)
{
    struct smtp_session *session = login->session;
    struct error error;

    if (!send_command(login, client))
        return false;
    while (session->reply.code / 100 == 3)
        if (!answer_challenge(login, client))
            return false;
    if (session->reply.code / 100 != 2)
        return take_refusal(login);
    return sasl_client_finish(client, &error) || give_up(login, error.text);
}

static bool run(struct login *login)
{
    const struct smtp_session *session = login->session;
    struct sasl_client_settings settings = {.username = login->username,
                                            .password = text_string(&login->password),
                                            .host = session->host,
                                            .port = net_address_port(&session->address),
                                            .authorize = session->client->config->send_cyrus_sasl_authzid,
                                            .binding = session->binding};
    struct sasl_client *client = sasl_client_new(login->mechanism, &settings);
    bool good = converse(login, client);

    sasl_client_free(client);
    return good;
}

bool smtp_log_in(struct smtp_session *session, const char *nexthop, const char *sender, struct arena *arena,
                 struct smtp_trouble *trouble)
{
    struct login login = {
        .session = session, .logins = session->client->logins, .arena = arena, .trouble = trouble};
    enum table_result found;
    bool good;

    if (login.logins == NULL || (session->offer.features & EHLO_AUTH) == 0)
        return true;
    found = find_password(&login, nexthop, sender);
    good = found == TABLE_NOT_FOUND ||
           (found == TABLE_FOUND && choose_mechanism(&login) && !refused_before(&login) && find_token(&login) &&
            run(&login));
    session->logged_in = good && found == TABLE_FOUND;
    text_wipe(&login.secret);
    text_wipe(&login.password);
    return good;
}
