#include "mail/sasl/sasl_client.h"

#include <stdlib.h>
#include <string.h>

#include "mail/sasl/plain.h"
#include "mail/sasl/scram.h"
#include "util/base/memory.h"
#include "util/net/crypto.h"

struct sasl_client {
    const struct sasl_client_mechanism *mechanism;
    char *username, *host;
    struct text password;
    unsigned port;
    bool authorize;
    const struct sasl_binding *binding;
    int step;
    struct scram_client *scram;
    bool verified; /* SCRAM: the server has proved that it knows the password */
};

typedef void initial_fn(struct sasl_client *client, struct text *message);
typedef bool respond_fn(struct sasl_client *client, const struct text *challenge, struct text *response,
                        struct error *error);

struct sasl_client_mechanism {
    const char *name;
    unsigned properties;
    bool token, binding;
    initial_fn *initial; /* NULL: the server begins */
    respond_fn *respond;
};

static bool unexpected(struct error *error)
{
    return error_set(error, "the server asks for more than the mechanism has");
}

/* ---- PLAIN, LOGIN, CRAM-MD5 ---- */

static void plain_initial(struct sasl_client *client, struct text *message)
{
    plain_print(client->authorize ? client->username : "", client->username, text_string(&client->password), message);
}

static bool no_more(struct sasl_client *client, const struct text *challenge, struct text *response,
                    struct error *error)
{
    (void)client, (void)challenge, (void)response;
    return unexpected(error);
}

/* Whatever the two questions are. */
static bool login_respond(struct sasl_client *client, const struct text *challenge, struct text *response,
                          struct error *error)
{
    (void)challenge;
    if (client->step > 2)
        return unexpected(error);
    text_append(response, client->step == 1 ? client->username : text_string(&client->password));
    return true;
}

static bool cram_respond(struct sasl_client *client, const struct text *challenge, struct text *response,
                         struct error *error)
{
    unsigned char digest[CRYPTO_MD5_SIZE];

    if (client->step > 1)
        return unexpected(error);
    if (!crypto_hmac_md5(client->password.data, client->password.length, challenge->data, challenge->length, digest))
        return error_set(error, "this system does not allow MD5");
    text_append_format(response, "%s ", client->username);
    for (size_t i = 0; i < sizeof digest; i++)
        text_append_format(response, "%02x", digest[i]);
    return true;
}

/* ---- SCRAM ---- */

static void scram_initial(struct sasl_client *client, struct text *message)
{
    client->scram = scram_client_new(client->username, text_string(&client->password), client->mechanism->binding,
                                     client->binding, NULL);
    scram_client_first(client->scram, message);
}

static bool scram_respond(struct sasl_client *client, const struct text *challenge, struct text *response,
                          struct error *error)
{
    if (client->step == 1)
        return scram_client_final(client->scram, text_string(challenge), challenge->length, response, error);
    if (client->step > 2)
        return unexpected(error);
    client->verified = scram_client_verify(client->scram, text_string(challenge), challenge->length, error);
    return client->verified;
}

/* ---- tokens ---- */

/* Nothing from a token can end its field. */
static void append_token(const struct sasl_client *client, struct text *message)
{
    text_append_format(message, "auth=Bearer %s\001\001", text_string(&client->password));
}

static void xoauth2_initial(struct sasl_client *client, struct text *message)
{
    text_append_format(message, "user=%s\001", client->username);
    append_token(client, message);
}

static void oauthbearer_initial(struct sasl_client *client, struct text *message)
{
    text_append(message, "n,a=");
    scram_append_name(message, client->username);
    text_append_format(message, ",\001host=%s\001port=%u\001", client->host, client->port);
    append_token(client, message);
}

/* The challenge says what is wrong with the token; the server's refusal follows when we have taken note (RFC 7628
 * section 3.2.3). */
static bool token_respond(struct sasl_client *client, const struct text *challenge, struct text *response,
                          struct error *error)
{
    (void)challenge;
    if (client->step > 1)
        return unexpected(error);
    if (strcmp(client->mechanism->name, "OAUTHBEARER") == 0)
        text_append_char(response, '\001');
    return true;
}

/* ---- the mechanisms, the safest first ---- */

static const struct sasl_client_mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", SASL_MUTUAL_AUTH, false, true, scram_initial, scram_respond},
    {"SCRAM-SHA-256", SASL_MUTUAL_AUTH, false, false, scram_initial, scram_respond},
    {"CRAM-MD5", SASL_DICTIONARY | SASL_ACTIVE, false, false, NULL, cram_respond},
    {"PLAIN", SASL_PLAINTEXT, false, false, plain_initial, no_more},
    {"LOGIN", SASL_PLAINTEXT, false, false, NULL, login_respond},
    {"OAUTHBEARER", SASL_PLAINTEXT, true, false, oauthbearer_initial, token_respond},
    {"XOAUTH2", SASL_PLAINTEXT, true, false, xoauth2_initial, token_respond},
};

const struct sasl_client_mechanism *sasl_client_mechanism(const char *name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        if (string_equal_ignore_case(mechanisms[i].name, name))
            return &mechanisms[i];
    return NULL;
}

const char *sasl_client_name(const struct sasl_client_mechanism *mechanism)
{
    return mechanism->name;
}

unsigned sasl_client_properties(const struct sasl_client_mechanism *mechanism)
{
    return mechanism->properties;
}

bool sasl_client_wants_token(const struct sasl_client_mechanism *mechanism)
{
    return mechanism->token;
}

bool sasl_client_wants_binding(const struct sasl_client_mechanism *mechanism)
{
    return mechanism->binding;
}

bool sasl_client_better(const struct sasl_client_mechanism *a, const struct sasl_client_mechanism *b,
                        bool tokens_first)
{
    if (tokens_first && a->token != b->token)
        return a->token;
    return a < b;
}

/* ---- the exchange ---- */

struct sasl_client *sasl_client_new(const struct sasl_client_mechanism *mechanism,
                                    const struct sasl_client_settings *settings)
{
    struct sasl_client *client = memory_new(sizeof *client);

    client->mechanism = mechanism;
    client->username = memory_copy_string(settings->username);
    client->host = memory_copy_string(settings->host);
    text_append(&client->password, settings->password);
    client->port = settings->port;
    client->authorize = settings->authorize;
    client->binding = settings->binding;
    return client;
}

void sasl_client_free(struct sasl_client *client)
{
    if (client == NULL)
        return;
    scram_client_free(client->scram);
    free(client->username);
    free(client->host);
    text_wipe(&client->password);
    free(client);
}

bool sasl_client_initial(struct sasl_client *client, struct text *message)
{
    if (client->mechanism->initial == NULL)
        return false;
    client->mechanism->initial(client, message);
    return true;
}

bool sasl_client_respond(struct sasl_client *client, const struct text *challenge, struct text *response,
                         struct error *error)
{
    client->step++;
    return client->mechanism->respond(client, challenge, response, error);
}

bool sasl_client_finish(const struct sasl_client *client, struct error *error)
{
    if ((client->mechanism->properties & SASL_MUTUAL_AUTH) == 0 || client->verified)
        return true;
    return error_set(error, "the server has not proved that it knows the password");
}
