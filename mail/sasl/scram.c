/* What both sides of SCRAM compute, and the verifiers. */
#include "mail/sasl/scram.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/sasl/saslprep.h"
#include "util/base/base64.h"
#include "util/base/memory.h"

static const char prefix[] = "SCRAM-SHA-256$";

void scram_keys(const char *password, const void *salt, size_t salt_length, unsigned iterations,
                unsigned char client_key[SCRAM_KEY_SIZE], unsigned char server_key[SCRAM_KEY_SIZE])
{
    unsigned char salted[SCRAM_KEY_SIZE];
    struct text prepared = {0};

    saslprep(password, &prepared);
    crypto_pbkdf2_sha256(text_string(&prepared), prepared.length, salt, salt_length, iterations, salted);
    crypto_hmac_sha256(salted, sizeof salted, "Client Key", 10, client_key);
    crypto_hmac_sha256(salted, sizeof salted, "Server Key", 10, server_key);
    explicit_bzero(salted, sizeof salted);
    text_wipe(&prepared);
}

void scram_sign(const unsigned char key[SCRAM_KEY_SIZE], const char *messages,
                unsigned char signature[SCRAM_KEY_SIZE])
{
    crypto_hmac_sha256(key, SCRAM_KEY_SIZE, messages, strlen(messages), signature);
}

char *scram_next_attribute(char **cursor, char name)
{
    char *value = *cursor, *end;

    if (value == NULL || value[0] != name || value[1] != '=')
        return NULL;
    end = strchr(value, ',');
    if (end != NULL)
        *end++ = '\0';
    *cursor = end;
    return value + 2;
}

void scram_append_name(struct text *out, const char *name)
{
    for (; *name != '\0'; name++)
        text_append(out, *name == ',' ? "=2C" : *name == '=' ? "=3D" : (const char[]){*name, '\0'});
}

void scram_binding_field(const char *header, const struct sasl_binding *binding, struct text *out)
{
    struct text plain = {0};

    text_append(&plain, header);
    if (binding != NULL)
        text_append_bytes(&plain, binding->data, binding->length);
    base64_encode(plain.data, plain.length, out);
    text_free(&plain);
}

void scram_nonce(struct text *out)
{
    unsigned char bytes[18];

    crypto_random(bytes, sizeof bytes);
    base64_encode(bytes, sizeof bytes, out);
}

/* ---- verifiers ---- */

static bool parse_key(const char *encoded, unsigned char key[SCRAM_KEY_SIZE])
{
    struct text bytes = {0};
    bool good = base64_decode(encoded, &bytes) && bytes.length == SCRAM_KEY_SIZE;

    if (good)
        memcpy(key, bytes.data, SCRAM_KEY_SIZE);
    text_wipe(&bytes);
    return good;
}

static bool parse_salt(const char *encoded, struct scram_verifier *verifier)
{
    struct text bytes = {0};
    bool good = base64_decode(encoded, &bytes) && bytes.length > 0 && bytes.length <= SCRAM_SALT_LIMIT;

    if (good) {
        memcpy(verifier->salt, bytes.data, bytes.length);
        verifier->salt_length = bytes.length;
    }
    text_free(&bytes);
    return good;
}

static bool parse_iterations(const char *digits, struct scram_verifier *verifier)
{
    if (!string_all_digits(digits) || strlen(digits) > 8)
        return false;
    verifier->iterations = (unsigned)strtoul(digits, NULL, 10);
    return verifier->iterations > 0 && verifier->iterations <= SCRAM_ITERATIONS_LIMIT;
}

bool scram_verifier_parse(const char *text, struct scram_verifier *verifier)
{
    char *copy, *cursor, *iterations, *salt, *stored, *server;
    bool good;

    *verifier = (struct scram_verifier){0};
    if (!string_starts_ignore_case(text, prefix))
        return false;
    cursor = copy = memory_copy_string(text + strlen(prefix));
    iterations = strsep(&cursor, ":");
    salt = strsep(&cursor, "$");
    stored = strsep(&cursor, ":");
    server = cursor;
    good = server != NULL && parse_iterations(iterations, verifier) && parse_salt(salt, verifier) &&
           parse_key(stored, verifier->stored_key) && parse_key(server, verifier->server_key);
    explicit_bzero(copy, strlen(text) - strlen(prefix));
    free(copy);
    return good;
}

void scram_verifier_print(const struct scram_verifier *verifier, struct text *out)
{
    text_append_format(out, "%s%u:", prefix, verifier->iterations);
    base64_encode(verifier->salt, verifier->salt_length, out);
    text_append_char(out, '$');
    base64_encode(verifier->stored_key, SCRAM_KEY_SIZE, out);
    text_append_char(out, ':');
    base64_encode(verifier->server_key, SCRAM_KEY_SIZE, out);
}

void scram_verifier_make(const char *password, const void *salt, size_t salt_length, unsigned iterations,
                         struct scram_verifier *verifier)
{
    unsigned char client_key[SCRAM_KEY_SIZE];

    *verifier = (struct scram_verifier){.iterations = iterations, .salt_length = salt_length};
    memcpy(verifier->salt, salt, salt_length);
    scram_keys(password, salt, salt_length, iterations, client_key, verifier->server_key);
    crypto_sha256(client_key, sizeof client_key, verifier->stored_key);
    explicit_bzero(client_key, sizeof client_key);
}

bool scram_verifier_check(const struct scram_verifier *verifier, const char *password)
{
    struct scram_verifier made;
    bool same;

    scram_verifier_make(password, verifier->salt, verifier->salt_length, verifier->iterations, &made);
    same = crypto_equal(made.stored_key, verifier->stored_key, SCRAM_KEY_SIZE);
    explicit_bzero(&made, sizeof made);
    return same;
}
