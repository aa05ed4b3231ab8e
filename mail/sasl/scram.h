/* scram - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: RFC 5802 and RFC 7677, both sides, and the verifiers that a server
 * keeps in place of passwords.
 *
 * Names and passwords are prepared (saslprep.h); what cannot be is taken as the bytes it is. */
#ifndef MAIL_SASL_SCRAM_H
#define MAIL_SASL_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/sasl/mechanism.h"
#include "util/base/text.h"
#include "util/net/crypto.h"

enum {
    SCRAM_KEY_SIZE = CRYPTO_SHA256_SIZE,
    SCRAM_SALT_SIZE = 16,          /* of those that are made here */
    SCRAM_SALT_LIMIT = 256,        /* of those that are taken */
    SCRAM_ITERATIONS = 15000,      /* as RFC 7677 section 4 advises */
    SCRAM_ITERATIONS_LEAST = 4096, /* of a server that asks a client */
    SCRAM_ITERATIONS_LIMIT = 2000000,
};

/* ---- what a server keeps ---- */

struct scram_verifier {
    unsigned iterations;
    size_t salt_length;
    unsigned char salt[SCRAM_SALT_LIMIT];
    unsigned char stored_key[SCRAM_KEY_SIZE], server_key[SCRAM_KEY_SIZE];
};

/* As PostgreSQL and RFC 5803 write it: SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY, in base64. */
bool scram_verifier_parse(const char *text, struct scram_verifier *verifier);
void scram_verifier_print(const struct scram_verifier *verifier, struct text *out);
/* Slow (PBKDF2), both. */
void scram_verifier_make(const char *password, const void *salt, size_t salt_length, unsigned iterations,
                         struct scram_verifier *verifier);
bool scram_verifier_check(const struct scram_verifier *verifier, const char *password);

/* ---- the server's side ---- */

struct scram_server;

/* binding: the connection's, NULL where there is none. plus: the client chose SCRAM-SHA-256-PLUS. */
struct scram_server *scram_server_new(bool plus, const struct sasl_binding *binding);
void scram_server_free(struct scram_server *server); /* NULL is fine */
/* Takes client-first-message. False: it is malformed, or asks for what there is not. */
bool scram_server_first(struct scram_server *server, const char *message, size_t length);
const char *scram_server_username(const struct scram_server *server);
/* What the client wants to be; "": whom it logs in as. */
const char *scram_server_authorization(const struct scram_server *server);
/* Makes server-first-message for the user. nonce: printable, without commas; NULL: a random one. */
void scram_server_challenge(struct scram_server *server, const struct scram_verifier *verifier, const char *nonce,
                            struct text *message);
/* Takes client-final-message, makes server-final-message. False: the client does not know the password (or lies). */
bool scram_server_final(struct scram_server *server, const char *message, size_t length, struct text *answer);

/* ---- the client's side ---- */

struct scram_client;

/* plus: with binding; nonce as above. Strings are copied. */
struct scram_client *scram_client_new(const char *username, const char *password, bool plus,
                                      const struct sasl_binding *binding, const char *nonce);
void scram_client_free(struct scram_client *client); /* NULL is fine */
void scram_client_first(struct scram_client *client, struct text *message);
/* Takes server-first-message, makes client-final-message. Slow (PBKDF2). False: see error. */
bool scram_client_final(struct scram_client *client, const char *challenge, size_t length, struct text *message,
                        struct error *error);
/* Takes server-final-message. False: the server has not proved that it knows the password. */
bool scram_client_verify(struct scram_client *client, const char *message, size_t length, struct error *error);

/* ---- for both ---- */

/* What a key of the exchange signs: StoredKey or ServerKey over the messages so far. */
void scram_sign(const unsigned char key[SCRAM_KEY_SIZE], const char *messages,
                unsigned char signature[SCRAM_KEY_SIZE]);
/* ClientKey and ServerKey of a password. Slow. */
void scram_keys(const char *password, const void *salt, size_t salt_length, unsigned iterations,
                unsigned char client_key[SCRAM_KEY_SIZE], unsigned char server_key[SCRAM_KEY_SIZE]);
/* The value of "x=value" at *cursor, which then stands behind its comma; NULL when something else stands there. The
 * comma is overwritten. */
char *scram_next_attribute(char **cursor, char name);
/* A name with commas and equals signs as SCRAM and OAUTHBEARER want them (RFC 5801 section 4). */
void scram_append_name(struct text *out, const char *name);
/* client-final's "c=": the header of client-first with the binding's data, in base64. */
void scram_binding_field(const char *header, const struct sasl_binding *binding, struct text *out);
void scram_nonce(struct text *out);

#endif
