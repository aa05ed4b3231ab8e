/* What the sources of TLS share, with OpenSSL in sight. */
#ifndef UTIL_NET_TLS_INTERNAL_H
#define UTIL_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "util/net/tls.h"

struct tls_credential {
    EVP_PKEY *key;
    X509 *certificate;
    STACK_OF(X509) *chain; /* its issuers, may be empty */
};

struct tls_credentials {
    struct tls_credential *items;
    size_t count;
    long references;
};

struct tls_context {
    SSL_CTX *ssl;
    struct tls_credentials *credentials; /* NULL: none */
    struct tls_tickets *tickets;
    bool server;
    char *digest, *ciphers; /* NULL: OpenSSL's own ciphers */
    bool legacy_key_fingerprints;
    bool in_threads;
    duration goodbye_limit;
};

/* One connection; the transport's state. */
struct tls {
    SSL *ssl;
    struct stream *stream;
    const struct tls_context *context;       /* while the handshake lasts */
    const struct tls_handshake *handshake;   /* the same */
    char *peer;                              /* "name[address]", when something may be logged later */
    int log_level;
    bool established, broken;
    duration goodbye_limit;
    bool by_ticket; /* the session is resumed by a ticket */
    char *asked_name;           /* what SNI asked for */
    char *asked_session;        /* the ID of the session that the client wants to resume */
    bool name_served;           /* and there were credentials for it */
    bool refused;               /* they could not be had */
    size_t quota;               /* bytes that may come in before the loop has its turn: tls_socket.c */
    unsigned idle_turns;        /* in which nothing came of them */
    bool hello_seen;            /* what had to be looked up for the client hello was */
    SSL_SESSION *found, *made;  /* a server's: looked up by ID, to be kept */
    tls_session_fn *new_session;
    void *session_context;
};

/* ---- tls_error.c ---- */
/* Takes OpenSSL's queue: "error:0A00010B:SSL routines::wrong version number:../ssl/record/ssl3_record.c:350:". Returns
 * false. what is for an empty queue. */
bool tls_error_take(struct error *error, const char *what);

/* ---- tls_hello.c: what a server looks up for a client hello ---- */
/* OpenSSL's callbacks cannot wait: the handshake is left in them, and taken up again when this has done the looking up. */
void tls_hello_attach(SSL_CTX *context);
bool tls_hello_look_up(struct tls *tls, struct error *error);
/* After the handshake: hands out the new session. */
void tls_hello_keep(struct tls *tls);

/* ---- tls_socket.c ---- */
/* A BIO over the stream's descriptor that never waits. What one peer sends without an end, handshake after handshake or
 * alert after alert, is taken in portions. */
BIO *tls_socket_new(struct tls *tls);
/* After SSL said that it wants to read: true when only the portion was used up and there may be more. */
bool tls_socket_used_up(struct tls *tls);
extern const struct stream_transport tls_transport;

/* ---- tls_credentials.c ---- */
bool tls_credentials_use(const struct tls_credentials *credentials, SSL *ssl, struct error *error);

/* ---- tls_ticket.c ---- */
void tls_tickets_attach(struct tls_tickets *tickets, SSL_CTX *context);

/* ---- tls_peer.c ---- */
void tls_peer_describe(struct tls *tls, struct arena *arena, struct tls_peer *peer);

/* ---- tls_binding.c ---- */
void tls_bind(const struct tls *tls, struct tls_peer *peer);

/* ---- tls_trace.c: what log levels 2 to 4 show ---- */
void tls_trace_begin(struct tls *tls);
void tls_trace_certificate(const struct tls *tls, const X509_STORE_CTX *verification, int good);
void tls_trace_peer(const struct tls *tls, const struct tls_peer *peer);

/* Bytes as they travel, encrypted from the handshake on: during it from level 3 on, always from level 4 on. What was
 * decrypted is never shown: it may hold passwords. */
void tls_trace_bytes(const struct tls *tls, const char *what, const void *bytes, int length, int result);

/* ---- tls_verify.c ---- */
/* How the peer's certificate is looked at, before the handshake. */
bool tls_verify_begin(struct tls *tls, struct error *error);
/* And what came of it. */
void tls_verify_end(struct tls *tls, struct arena *arena, struct tls_peer *peer);

#endif
