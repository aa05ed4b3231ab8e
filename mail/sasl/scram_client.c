/* The client's side of SCRAM: RFC 5802 section 5. */
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/scram.h"
#include "mail/sasl/saslprep.h"
#include "util/base/base64.h"
#include "util/base/memory.h"

struct scram_client {
    char *username;
    struct text password;
    const struct sasl_binding *binding; /* borrowed; NULL: none */
    char *header;                       /* "n,," or "p=tls-exporter,," */
    struct text nonce;
    struct text messages; /* as the server has them */
    unsigned char server_key[SCRAM_KEY_SIZE];
};

struct scram_client *scram_client_new(const char *username, const char *password, bool plus,
                                      const struct sasl_binding *binding, const char *nonce)
{
    struct scram_client *client = memory_new(sizeof *client);
    struct text prepared = {0};

    saslprep(username, &prepared);
    client->username = text_take(&prepared);
    text_append(&client->password, password);
    client->binding = plus ? binding : NULL;
    if (plus)
        client->header = memory_format("p=%s,,", binding->type);
    else
        client->header = memory_copy_string("n,,");
    if (nonce != NULL)
        text_append(&client->nonce, nonce);
    else
        scram_nonce(&client->nonce);
    return client;
}

void scram_client_free(struct scram_client *client)
{
    if (client == NULL)
        return;
    free(client->username);
    free(client->header);
    text_wipe(&client->password);
    text_free(&client->nonce);
    text_free(&client->messages);
    explicit_bzero(client->server_key, sizeof client->server_key);
    free(client);
}

void scram_client_first(struct scram_client *client, struct text *message)
{
    text_append(&client->messages, "n=");
    scram_append_name(&client->messages, client->username);
    text_append_format(&client->messages, ",r=%s", text_string(&client->nonce));
    text_append_format(message, "%s%s", client->header, text_string(&client->messages));
}

/* What server-first-message says. */
struct challenge {
    const char *nonce;
    struct text salt;
    unsigned iterations;
};

static bool read_challenge(const struct scram_client *client, char *cursor, struct challenge *challenge,
                           struct error *error)
{
    const char *salt, *iterations;

    challenge->nonce = scram_next_attribute(&cursor, 'r');
    salt = scram_next_attribute(&cursor, 's');
    iterations = scram_next_attribute(&cursor, 'i');
    if (challenge->nonce == NULL || salt == NULL || iterations == NULL || !base64_decode(salt, &challenge->salt) ||
        challenge->salt.length == 0 || !string_all_digits(iterations) || strlen(iterations) > 8)
        return error_set(error, "the server's challenge makes no sense");
    /* The server's part comes behind ours; without one it might play back what it has heard elsewhere. */
    if (!string_starts(challenge->nonce, text_string(&client->nonce)) ||
        strlen(challenge->nonce) == client->nonce.length)
        return error_set(error, "the server's challenge is for somebody else");
    challenge->iterations = (unsigned)strtoul(iterations, NULL, 10);
    if (challenge->iterations < SCRAM_ITERATIONS_LEAST || challenge->iterations > SCRAM_ITERATIONS_LIMIT)
        return error_set(error, "the server asks for %s iterations: at least %d and at most %d make sense",
                         iterations, SCRAM_ITERATIONS_LEAST, SCRAM_ITERATIONS_LIMIT);
    return true;
}

static void append_proof(struct scram_client *client, const struct challenge *challenge, struct text *message)
{
    unsigned char client_key[SCRAM_KEY_SIZE], stored_key[SCRAM_KEY_SIZE], proof[SCRAM_KEY_SIZE];

    scram_keys(text_string(&client->password), challenge->salt.data, challenge->salt.length, challenge->iterations,
               client_key, client->server_key);
    crypto_sha256(client_key, sizeof client_key, stored_key);
    scram_sign(stored_key, text_string(&client->messages), proof);
    for (size_t i = 0; i < sizeof proof; i++)
        proof[i] ^= client_key[i];
    text_append(message, ",p=");
    base64_encode(proof, sizeof proof, message);
    explicit_bzero(client_key, sizeof client_key);
    explicit_bzero(stored_key, sizeof stored_key);
}

bool scram_client_final(struct scram_client *client, const char *challenge, size_t length, struct text *message,
                        struct error *error)
{
    struct challenge read = {0};
    char *copy;
    bool good;

    if (length == 0 || memchr(challenge, '\0', length) != NULL)
        return error_set(error, "the server's challenge makes no sense");
    copy = memory_copy_bytes(challenge, length);
    text_append_format(&client->messages, ",%s", copy);
    good = read_challenge(client, copy, &read, error);
    if (good) {
        text_append(message, "c=");
        scram_binding_field(client->header, client->binding, message);
        text_append_format(message, ",r=%s", read.nonce);
        text_append_format(&client->messages, ",%s", text_string(message));
        append_proof(client, &read, message);
    }
    text_free(&read.salt);
    free(copy);
    return good;
}

bool scram_client_verify(struct scram_client *client, const char *message, size_t length, struct error *error)
{
    unsigned char signature[SCRAM_KEY_SIZE];
    struct text expected = {0};
    bool good;

    scram_sign(client->server_key, text_string(&client->messages), signature);
    text_append(&expected, "v=");
    base64_encode(signature, sizeof signature, &expected);
    good = length == expected.length && crypto_equal(message, expected.data, length);
    text_free(&expected);
    return good || error_set(error, "the server does not know the password either");
}
