#include "mail/sasl/sasl_server.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/base64.h"
#include "util/base/memory.h"

static const struct sasl_server_type *const types[] = {&sasl_dovecot, &sasl_table};

struct sasl_server {
    const struct sasl_server_type *type;
    void *backend;
};

const char *const *sasl_server_types(void)
{
    static const char *const names[] = {"dovecot", "table", NULL};

    return names;
}

struct sasl_server *sasl_server_open(const struct sasl_server_settings *settings, struct error *error)
{
    struct sasl_server *server;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        void *backend;

        if (strcmp(types[i]->name, settings->type) != 0)
            continue;
        backend = types[i]->open(settings, error);
        if (backend == NULL)
            return NULL;
        server = memory_new(sizeof *server);
        *server = (struct sasl_server){types[i], backend};
        return server;
    }
    error_set(error, "%s: no such type of login server; there are: dovecot, table", settings->type);
    return NULL;
}

void sasl_server_close(struct sasl_server *server)
{
    if (server == NULL)
        return;
    server->type->close(server->backend);
    free(server);
}

bool sasl_server_mechanisms(struct sasl_server *server, const struct sasl_options *options, bool with_binding,
                            struct text *names, struct error *error)
{
    size_t count;
    const struct sasl_offer *offers = server->type->offers(server->backend, &count, error);

    if (offers == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (sasl_options_permit(options, offers[i].properties) &&
            (with_binding || !string_ends(offers[i].name, "-PLUS")))
            text_append_format(names, "%s%s", names->length > 0 ? " " : "", offers[i].name);
    return true;
}

/* ---- exchanges ---- */

enum sasl_result sasl_answer(struct sasl_exchange *exchange, enum sasl_result result, const char *reply)
{
    text_clear(&exchange->reply);
    text_append(&exchange->reply, reply);
    return result;
}

void sasl_exchange_begin(struct sasl_exchange *exchange, struct sasl_server *server, const struct sasl_peer *peer)
{
    *exchange = (struct sasl_exchange){.server = server, .peer = peer};
}

enum sasl_result sasl_exchange_start(struct sasl_exchange *exchange, const char *mechanism, const char *initial)
{
    struct sasl_server *server = exchange->server;
    char name[SASL_MECHANISM_LIMIT + 1] = {0};

    if (!sasl_mechanism_valid(mechanism))
        return sasl_answer(exchange, SASL_FAILED, "Invalid authentication mechanism");
    if (initial != NULL && strcmp(initial, "=") == 0)
        initial = "";
    if (initial != NULL && !base64_valid(initial))
        return sasl_answer(exchange, SASL_FAILED, "Invalid base64 data in initial response");
    for (size_t i = 0; mechanism[i] != '\0'; i++)
        name[i] = ascii_upper(mechanism[i]);
    return server->type->start(server->backend, exchange, name, initial);
}

enum sasl_result sasl_exchange_step(struct sasl_exchange *exchange, const char *response)
{
    struct sasl_server *server = exchange->server;

    if (!base64_valid(response))
        return sasl_answer(exchange, SASL_FAILED, "Invalid base64 data in continued response");
    return server->type->step(server->backend, exchange, response);
}

void sasl_exchange_end(struct sasl_exchange *exchange)
{
    if (exchange->server != NULL)
        exchange->server->type->end(exchange->server->backend, exchange);
    text_free(&exchange->reply);
    text_free(&exchange->username);
}
