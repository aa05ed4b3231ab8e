/* Dovecot's authentication server, or another that speaks its protocol. */
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/dovecot_connection.h"
#include "mail/sasl/plain.h"
#include "util/base/base64.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const char connection_lost[] = "Connection lost to authentication server";
static const char backend_error[] = "Authentication backend error";

struct dovecot {
    const struct sasl_server_settings *settings;
    struct dovecot_connection *connection;
};

struct login {
    struct dovecot_request request;
    bool open; /* the server waits for a response */
};

/* ---- answers ---- */

static void copy_printable(struct text *to, const char *from)
{
    char *copy = memory_copy_string(from);

    text_clear(to);
    text_append(to, string_printable(copy, true));
    free(copy);
}

static enum sasl_result take_ok(struct sasl_exchange *exchange, const struct dovecot_line *answer)
{
    const char *user = dovecot_line_field(answer, 2, "user");

    if (user == NULL || !sasl_username_valid(user)) {
        log_warning(NULL, "SASL: the login server's OK has no user name that makes sense");
        return sasl_answer(exchange, SASL_FAILED, backend_error);
    }
    text_clear(&exchange->username);
    text_append(&exchange->username, user);
    return SASL_OK;
}

static enum sasl_result take_fail(struct sasl_exchange *exchange, const struct dovecot_line *answer)
{
    const char *user = dovecot_line_field(answer, 2, "user"), *reason = dovecot_line_field(answer, 2, "reason");
    const char *code = dovecot_line_field(answer, 2, "code");
    bool temporary = dovecot_line_field(answer, 2, "temp") != NULL || (code != NULL && strcmp(code, "temp_fail") == 0);

    if (user != NULL)
        copy_printable(&exchange->username, user);
    copy_printable(&exchange->reply, reason != NULL ? reason : "");
    if (temporary && exchange->reply.length == 0)
        return sasl_answer(exchange, SASL_TEMPORARY, "the login server cannot tell");
    return temporary ? SASL_TEMPORARY : SASL_FAILED;
}

static enum sasl_result take_continuation(struct sasl_exchange *exchange, const struct dovecot_line *answer)
{
    struct login *login = exchange->state;

    if (answer->count < 3 || !base64_valid(answer->words[2])) {
        log_warning(NULL, "SASL: the login server's CONT is not followed by base64");
        return sasl_answer(exchange, SASL_FAILED, backend_error);
    }
    login->open = true;
    return sasl_answer(exchange, SASL_CONTINUE, answer->words[2]);
}

static enum sasl_result take_answer(struct sasl_exchange *exchange, struct text *text)
{
    struct dovecot_line answer;

    dovecot_line_split(text->data, &answer);
    if (strcmp(answer.words[0], "OK") == 0)
        return take_ok(exchange, &answer);
    if (strcmp(answer.words[0], "FAIL") == 0)
        return take_fail(exchange, &answer);
    if (strcmp(answer.words[0], "CONT") == 0)
        return take_continuation(exchange, &answer);
    log_warning(NULL, "SASL: the login server answers with \"%.30s\"", answer.words[0]);
    return sasl_answer(exchange, SASL_TEMPORARY, connection_lost);
}

/* *lost is as dovecot_connection_ask has it. */
static enum sasl_result ask(struct dovecot *dovecot, struct sasl_exchange *exchange, struct text *line, bool *lost)
{
    struct login *login = exchange->state;
    struct text answer = {0};
    enum sasl_result result;

    login->open = false;
    if (dovecot_connection_ask(dovecot->connection, login->request, line, &answer, lost))
        result = take_answer(exchange, &answer);
    else
        result = sasl_answer(exchange, SASL_TEMPORARY, connection_lost);
    text_wipe(&answer);
    return result;
}

/* ---- requests ---- */

static void append_address(struct text *line, const struct net_address *address, const char *name, const char *port)
{
    char text[NET_ADDRESS_SIZE];

    if (net_address_family(address) != AF_INET && net_address_family(address) != AF_INET6)
        return;
    dovecot_line_append(line, name, net_address_print(address, text));
    text_append_format(line, "\t%s=%u", port, net_address_port(address));
}

static void print_request(const struct dovecot *dovecot, const struct sasl_exchange *exchange, const char *mechanism,
                          const char *initial, struct text *line)
{
    const struct sasl_peer *peer = exchange->peer;
    const struct login *login = exchange->state;

    text_append_format(line, "AUTH\t%u\t%s", login->request.id, mechanism);
    dovecot_line_append(line, "service", dovecot->settings->service);
    text_append(line, "\tnologin");
    append_address(line, &peer->local, "lip", "lport");
    append_address(line, &peer->remote, "rip", "rport");
    if (peer->encrypted)
        text_append(line, "\tsecured");
    if (peer->tls_name != NULL && *peer->tls_name != '\0')
        dovecot_line_append(line, "local_name", peer->tls_name);
    if (initial != NULL)
        text_append_format(line, "\tresp=%s", initial); /* always the last */
}

/* The server breaks off when it is asked for a mechanism that it does not have. */
static bool has_mechanism(const struct dovecot *dovecot, const char *mechanism)
{
    size_t count;
    const struct sasl_offer *offers = dovecot_connection_offers(dovecot->connection, &count);

    for (size_t i = 0; i < count; i++)
        if (string_equal_ignore_case(offers[i].name, mechanism))
            return true;
    return false;
}

static enum sasl_result dovecot_start(void *backend, struct sasl_exchange *exchange, const char *mechanism,
                                      const char *initial)
{
    struct dovecot *dovecot = backend;
    struct login *login = exchange->state = memory_new(sizeof *login);
    enum sasl_result result = SASL_TEMPORARY;
    bool lost = true;

    /* The second time over a new connection: a server that was restarted leaves one behind that seems to be good. */
    for (int i = 0; i < 2 && lost && result == SASL_TEMPORARY; i++) {
        struct text line = {0};
        struct error error;

        if (!dovecot_connection_ready(dovecot->connection, &error))
            return sasl_answer(exchange, SASL_TEMPORARY, connection_lost);
        if (!has_mechanism(dovecot, mechanism))
            return sasl_answer(exchange, SASL_FAILED, "Invalid authentication mechanism");
        login->request = dovecot_connection_request(dovecot->connection);
        text_reserve(&line, 512 + (initial != NULL ? strlen(initial) : 0));
        print_request(dovecot, exchange, mechanism, initial, &line);
        result = ask(dovecot, exchange, &line, &lost);
        text_wipe(&line);
    }
    return result;
}

static enum sasl_result dovecot_step(void *backend, struct sasl_exchange *exchange, const char *response)
{
    struct login *login = exchange->state;
    struct text line = {0};
    enum sasl_result result;
    bool lost;

    if (login == NULL || !login->open)
        return sasl_answer(exchange, SASL_FAILED, "");
    text_reserve(&line, 64 + strlen(response));
    text_append_format(&line, "CONT\t%u\t%s", login->request.id, response);
    result = ask(backend, exchange, &line, &lost);
    text_wipe(&line);
    return result;
}

static void dovecot_end(void *backend, struct sasl_exchange *exchange)
{
    struct dovecot *dovecot = backend;
    struct login *login = exchange->state;

    if (login != NULL && login->open)
        dovecot_connection_forget(dovecot->connection, login->request);
    free(login);
    exchange->state = NULL;
}

/* ---- the backend ---- */

static const struct sasl_offer *dovecot_offers(void *backend, size_t *count, struct error *error)
{
    struct dovecot *dovecot = backend;

    if (!dovecot_connection_ready(dovecot->connection, error))
        return NULL;
    return dovecot_connection_offers(dovecot->connection, count);
}

static void *dovecot_open(const struct sasl_server_settings *settings, struct error *error)
{
    struct dovecot_connection *connection = dovecot_connection_new(settings->path, settings->timeout, error);
    struct dovecot *dovecot;

    if (connection == NULL)
        return NULL;
    dovecot = memory_new(sizeof *dovecot);
    *dovecot = (struct dovecot){settings, connection};
    return dovecot;
}

static void dovecot_close(void *backend)
{
    struct dovecot *dovecot = backend;

    dovecot_connection_free(dovecot->connection);
    free(dovecot);
}

const struct sasl_server_type sasl_dovecot = {
    .name = "dovecot",
    .open = dovecot_open,
    .close = dovecot_close,
    .offers = dovecot_offers,
    .start = dovecot_start,
    .step = dovecot_step,
    .end = dovecot_end,
};
