/* sasl_server - finding out who a client is: a backend by type, exchanges of challenges and responses.
 *
 * A backend type is one file and one row in sasl_server.c. Its functions run in the session's task and may wait. */
#ifndef MAIL_SASL_SASL_SERVER_H
#define MAIL_SASL_SASL_SERVER_H

#include "mail/sasl/mechanism.h"
#include "util/base/clock.h"
#include "util/base/text.h"
#include "util/net/address.h"

struct sasl_server; /* one a process and configuration; never freed before the process ends, but for tests */

struct sasl_server_settings {
    const char *type;           /* "dovecot", "table" */
    const char *path;           /* what the type makes of it: a socket, tables */
    const char *service;        /* "smtp" */
    const char *local_domain;   /* of user names without one; "": none */
    const char *data_directory; /* where secrets of the instance are kept */
    duration timeout;           /* how long a server of another process may take for one answer */
};

/* Privileged, before the loop runs. The settings are borrowed for good. NULL: see error. */
struct sasl_server *sasl_server_open(const struct sasl_server_settings *settings, struct error *error);
void sasl_server_close(struct sasl_server *server); /* NULL is fine; no exchange may be under way */
/* All types, for postconf -a; NULL ends. */
const char *const *sasl_server_types(void);

/* Appends the names that the options let pass, a blank between two; one that ends in -PLUS only if there is a binding.
 * False: the backend cannot say, since it cannot be reached; see error. */
bool sasl_server_mechanisms(struct sasl_server *server, const struct sasl_options *options, bool with_binding,
                            struct text *names, struct error *error);

/* Who talks to whom. Borrowed while the exchange lasts. */
struct sasl_peer {
    struct net_address local, remote; /* length 0: none */
    bool encrypted;
    const char *tls_name;               /* the name that the client asked for; NULL: none */
    const struct sasl_binding *binding; /* NULL: -PLUS was not offered */
};

enum sasl_result {
    SASL_CONTINUE,  /* reply is the challenge, in base64 */
    SASL_OK,        /* username has logged in */
    SASL_FAILED,    /* reply is the reason, "" when there is none to give; username is whom it was about, maybe "" */
    SASL_TEMPORARY, /* the backend cannot tell: reply is why */
};

struct sasl_exchange {
    struct text reply, username;
    const struct sasl_peer *peer;
    struct sasl_server *server;
    void *state; /* the backend's */
};

/* Without a server (NULL) nothing can be asked, but an answer be given all the same: sasl_answer. */
void sasl_exchange_begin(struct sasl_exchange *exchange, struct sasl_server *server, const struct sasl_peer *peer);
/* The mechanism must be one that sasl_server_mechanisms named, in any case. initial: base64, "=" for an empty one,
 * NULL for none. */
enum sasl_result sasl_exchange_start(struct sasl_exchange *exchange, const char *mechanism, const char *initial);
/* response: base64. */
enum sasl_result sasl_exchange_step(struct sasl_exchange *exchange, const char *response);
/* Also in the middle. */
void sasl_exchange_end(struct sasl_exchange *exchange);

/* ---- for backends ---- */

struct sasl_offer {
    const char *name;
    unsigned properties;
};

struct sasl_server_type {
    const char *name;
    void *(*open)(const struct sasl_server_settings *settings, struct error *error);
    void (*close)(void *backend);
    /* Valid until the task waits. NULL: cannot be reached. */
    const struct sasl_offer *(*offers)(void *backend, size_t *count, struct error *error);
    /* initial and response are valid base64; initial may be NULL. */
    enum sasl_result (*start)(void *backend, struct sasl_exchange *exchange, const char *mechanism,
                              const char *initial);
    enum sasl_result (*step)(void *backend, struct sasl_exchange *exchange, const char *response);
    void (*end)(void *backend, struct sasl_exchange *exchange);
};

extern const struct sasl_server_type sasl_dovecot, sasl_table;

/* For `return sasl_answer(exchange, SASL_FAILED, "reason")`. */
enum sasl_result sasl_answer(struct sasl_exchange *exchange, enum sasl_result result, const char *reply);

#endif
