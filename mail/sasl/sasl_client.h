/* sasl_client - logging in to a server: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), SCRAM-SHA-256 and -PLUS (RFC 7677),
 * OAUTHBEARER (RFC 7628) and XOAUTH2. Messages here are not in base64. */
#ifndef MAIL_SASL_SASL_CLIENT_H
#define MAIL_SASL_SASL_CLIENT_H

#include "mail/sasl/mechanism.h"
#include "util/base/text.h"

struct sasl_client_settings {
    const char *username;
    const char *password; /* or the token */
    const char *host;     /* OAUTHBEARER names both */
    unsigned port;
    bool authorize;                     /* PLAIN says whom to act as too */
    const struct sasl_binding *binding; /* NULL: none */
};

struct sasl_client_mechanism;

/* By name, in any case; NULL: not known here. */
const struct sasl_client_mechanism *sasl_client_mechanism(const char *name);
const char *sasl_client_name(const struct sasl_client_mechanism *mechanism);
unsigned sasl_client_properties(const struct sasl_client_mechanism *mechanism);
bool sasl_client_wants_token(const struct sasl_client_mechanism *mechanism);
bool sasl_client_wants_binding(const struct sasl_client_mechanism *mechanism);
/* The safer of two; tokens_first: what takes a token before all others. */
bool sasl_client_better(const struct sasl_client_mechanism *a, const struct sasl_client_mechanism *b,
                        bool tokens_first);

struct sasl_client;

/* The settings are copied but for the binding, which is borrowed. */
struct sasl_client *sasl_client_new(const struct sasl_client_mechanism *mechanism,
                                    const struct sasl_client_settings *settings);
void sasl_client_free(struct sasl_client *client); /* NULL is fine */

/* What is sent with the mechanism's name. False: nothing is, since the server begins. */
bool sasl_client_initial(struct sasl_client *client, struct text *message);
/* The answer to a challenge. May take some milliseconds. False: see error. */
bool sasl_client_respond(struct sasl_client *client, const struct text *challenge, struct text *response,
                         struct error *error);
/* The server says that it went well. False: but it has not proved what it should have. */
bool sasl_client_finish(const struct sasl_client *client, struct error *error);

#endif
