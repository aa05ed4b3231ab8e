/* dovecot_connection - the process's one connection to Dovecot's authentication server, shared by all sessions: a
 * request is a number, and answers come in any order.
 *
 * It is made when first needed, and again after it broke. What the server does wrong (dies, stalls, says what makes
 * no sense) fails requests, never the process. */
#ifndef MAIL_SASL_DOVECOT_CONNECTION_H
#define MAIL_SASL_DOVECOT_CONNECTION_H

#include "mail/sasl/dovecot_line.h"

struct dovecot_connection;

/* path: "PATH", "unix:PATH" or "inet:HOST:PORT". NULL: it is none of these. timeout: for connecting, and for an
 * answer. */
struct dovecot_connection *dovecot_connection_new(const char *path, duration timeout, struct error *error);
void dovecot_connection_free(struct dovecot_connection *connection);

/* Connects if need be. False: see error. After a failure the next try is a second later at the earliest. */
bool dovecot_connection_ready(struct dovecot_connection *connection, struct error *error);
/* What the server offered; valid until the task waits. */
const struct sasl_offer *dovecot_connection_offers(const struct dovecot_connection *connection, size_t *count);

struct dovecot_request {
    unsigned id;
    long connected; /* which connection it was made over */
};

/* A number for a new request. */
struct dovecot_request dovecot_connection_request(struct dovecot_connection *connection);
/* Sends a line (without its line end) and waits for the answer to the request. False: there is none; *lost: since the
 * connection broke, and not since it took too long. */
bool dovecot_connection_ask(struct dovecot_connection *connection, struct dovecot_request request, struct text *line,
                            struct text *answer, bool *lost);
/* Tells the server that nobody waits any more. */
void dovecot_connection_forget(struct dovecot_connection *connection, struct dovecot_request request);

#endif
