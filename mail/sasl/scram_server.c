/* The server's side of SCRAM: RFC 5802 section 5. */
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/scram.h"
#include "util/base/base64.h"
#include "util/base/memory.h"

struct scram_server {
    bool plus;
    const struct sasl_binding *binding; /* borrowed */
    char *header;                       /* "n,," and so on, as the client sent it */
    char *username, *authorization;
    struct text messages; /* client-first-bare "," server-first, then "," client-final without proof */
    struct text nonce;    /* the client's, then both */
    struct scram_verifier verifier;
};

struct scram_server *scram_server_new(bool plus, const struct sasl_binding *binding)
{
    struct scram_server *server = memory_new(sizeof *server);

    server->plus = plus;
    server->binding = binding;
    return server;
}

void scram_server_free(struct scram_server *server)
{
    if (server == NULL)
        return;
    free(server->header);
    free(server->username);
    free(server->authorization);
    text_free(&server->messages);
    text_free(&server->nonce);
    explicit_bzero(&server->verifier, sizeof server->verifier);
    free(server);
}

const char *scram_server_username(const struct scram_server *server)
{
    return server->username != NULL ? server->username : "";
}

const char *scram_server_authorization(const struct scram_server *server)
{
    return server->authorization != NULL ? server->authorization : "";
}

/* "=2C" and "=3D" stand for comma and equals sign. NULL: something else follows an equals sign. */
static char *decode_name(const char *encoded)
{
    char *name = memory_new(strlen(encoded) + 1), *out = name;

    for (; *encoded != '\0'; encoded++) {
        if (*encoded != '=') {
            *out++ = *encoded;
        } else if (string_starts(encoded, "=2C") || string_starts(encoded, "=3D")) {
            *out++ = encoded[1] == '2' ? ',' : '=';
            encoded += 2;
        } else {
            free(name);
            return NULL;
        }
    }
    return name;
}

/* The flag before the first comma: does it fit what was offered and chosen? A client that could bind, and says that
 * we did not offer it although we did, has somebody sitting between. */
static bool binding_flag_fits(const struct scram_server *server, const char *flag)
{
    if (string_starts(flag, "p="))
        return server->plus && server->binding != NULL && strcmp(flag + 2, server->binding->type) == 0;
    if (strcmp(flag, "y") == 0)
        return !server->plus && server->binding == NULL;
    return strcmp(flag, "n") == 0 && !server->plus;
}

/* "FLAG,[a=NAME]," */
static bool take_header(struct scram_server *server, char **cursor)
{
    const char *flag = strsep(cursor, ",");
    char *name = strsep(cursor, ",");

    if (*cursor == NULL || !binding_flag_fits(server, flag))
        return false;
    server->header = memory_format("%s,%s,", flag, name);
    if (*name == '\0')
        return true;
    if (!string_starts(name, "a="))
        return false;
    server->authorization = decode_name(name + 2);
    return server->authorization != NULL;
}

/* "n=NAME,r=NONCE": a mandatory extension ("m=") is one that we do not know. */
static bool take_bare(struct scram_server *server, char *bare)
{
    const char *name, *nonce;

    text_append(&server->messages, bare);
    name = scram_next_attribute(&bare, 'n');
    nonce = scram_next_attribute(&bare, 'r');
    if (name == NULL || nonce == NULL || *nonce == '\0')
        return false;
    server->username = decode_name(name);
    text_append(&server->nonce, nonce);
    return server->username != NULL && *server->username != '\0';
}

bool scram_server_first(struct scram_server *server, const char *message, size_t length)
{
    char *copy, *cursor;
    bool good;

    if (length == 0 || memchr(message, '\0', length) != NULL || server->header != NULL)
        return false;
    cursor = copy = memory_copy_bytes(message, length);
    good = take_header(server, &cursor) && take_bare(server, cursor);
    free(copy);
    return good;
}

void scram_server_challenge(struct scram_server *server, const struct scram_verifier *verifier, const char *nonce,
                            struct text *message)
{
    server->verifier = *verifier;
    if (nonce != NULL)
        text_append(&server->nonce, nonce);
    else
        scram_nonce(&server->nonce);
    text_append_format(message, "r=%s,s=", text_string(&server->nonce));
    base64_encode(verifier->salt, verifier->salt_length, message);
    text_append_format(message, ",i=%u", verifier->iterations);
    text_append_format(&server->messages, ",%s", text_string(message));
}

/* ClientKey is the proof without StoredKey's signature; its hash is StoredKey. */
static bool proof_is_good(const struct scram_server *server, const char *proof)
{
    unsigned char key[SCRAM_KEY_SIZE], hash[SCRAM_KEY_SIZE];
    struct text bytes = {0};
    bool good = base64_decode(proof, &bytes) && bytes.length == SCRAM_KEY_SIZE;

    scram_sign(server->verifier.stored_key, text_string(&server->messages), key);
    for (size_t i = 0; good && i < SCRAM_KEY_SIZE; i++)
        key[i] ^= (unsigned char)bytes.data[i];
    crypto_sha256(key, sizeof key, hash);
    good = crypto_equal(hash, server->verifier.stored_key, SCRAM_KEY_SIZE) && good;
    explicit_bzero(key, sizeof key);
    text_wipe(&bytes);
    return good;
}

static bool is_binding(const struct scram_server *server, const char *field)
{
    struct text expected = {0};
    bool same;

    scram_binding_field(server->header, server->plus ? server->binding : NULL, &expected);
    same = strcmp(field, text_string(&expected)) == 0;
    text_free(&expected);
    return same;
}

static bool take_final(struct scram_server *server, char *message)
{
    char *proof = strstr(message, ",p="), *binding, *nonce;

    for (char *next = proof; next != NULL; next = strstr(next + 1, ",p="))
        proof = next; /* the last field */
    if (proof == NULL)
        return false;
    *proof = '\0';
    text_append_format(&server->messages, ",%s", message);
    binding = scram_next_attribute(&message, 'c');
    nonce = scram_next_attribute(&message, 'r');
    return binding != NULL && nonce != NULL && is_binding(server, binding) &&
           strcmp(nonce, text_string(&server->nonce)) == 0 && proof_is_good(server, proof + 3);
}

bool scram_server_final(struct scram_server *server, const char *message, size_t length, struct text *answer)
{
    unsigned char signature[SCRAM_KEY_SIZE];
    char *copy;
    bool good;

    if (length == 0 || memchr(message, '\0', length) != NULL)
        return false;
    copy = memory_copy_bytes(message, length);
    good = take_final(server, copy);
    free(copy);
    if (!good)
        return false;
    scram_sign(server->verifier.server_key, text_string(&server->messages), signature);
    text_append(answer, "v=");
    base64_encode(signature, sizeof signature, answer);
    return true;
}
