/* tls - TLS over a stream, for servers and clients: RFC 8446, 5246; STARTTLS is the caller's (RFC 3207).
 *
 * A context holds what many connections share: trust, keys, curves, tickets. A handshake runs in a task; when it is
 * done the stream reads and writes through TLS, and a struct tls_peer says what was agreed and who the peer is.
 * Nothing that stood in the stream's buffer before the handshake is read after it. A failed handshake leaves the
 * stream failed or fit only to be closed.
 *
 * Nothing here waits but tls_accept and tls_connect, and they wait only for the peer: what they compute between two
 * waits is one signature or one verification at most. No key, password or ticket key is ever logged. */
#ifndef UTIL_NET_TLS_H
#define UTIL_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/arena.h"
#include "util/base/clock.h"
#include "util/base/error.h"
#include "util/net/tls_credentials.h"
#include "util/net/tls_match.h"
#include "util/net/tls_names.h"
#include "util/net/tls_ticket.h"
#include "util/task/stream.h"

/* ---- contexts ---- */

struct tls_settings {
    bool server;
    /* Certificates of others. */
    const char *ca_file, *ca_path; /* "" none. They are read by tls_context_new */
    bool default_ca;               /* the system's as well */
    int verify_depth;              /* *_verifydepth: so many intermediate certificates, and one more, as with Postfix */
    const char *digest;            /* of fingerprints: "sha256" */
    const char *dane_digests;      /* client: tls_dane_digests, "sha512 sha256", the strongest first; NULL: no DANE */
    bool legacy_key_fingerprints;  /* tls_legacy_public_key_fingerprints */
    /* Key exchange. */
    const char *curves;        /* names between blanks: "X25519 prime256v1"; "" OpenSSL's own choice */
    const char *ffdhe_groups;  /* the same: "ffdhe2048" */
    const char *dh_file;       /* server: PEM file of DH parameters; "" OpenSSL's, "none" no DH */
    const char *ciphers;       /* for TLS 1.2 and before, as tls_cipher_list made it; NULL: OpenSSL's own */
    /* Behaviour. */
    bool prefer_own_ciphers;   /* server: tls_preempt_cipherlist */
    const char *options;       /* tls_ssl_options: names or a hexadecimal mask that are switched on */
    const char *no_workarounds; /* tls_disable_workarounds: of SSL_OP_ALL, what is switched off */
    bool in_threads;           /* handshakes are computed in worker threads (util/task/offload.h): the other tasks go on
                                * meanwhile, and other cores help. Not while steps are logged */
    duration goodbye_limit;    /* how long a peer's goodbye is waited for in the end; 0: not at all */
    /* Sessions. */
    const char *session_context; /* server: sessions are resumed only where this is the same: the service's name and
                                  * whatever a client must be judged by */
    duration session_lifetime;   /* 0: none is resumed */
    bool session_ids;            /* server: sessions have IDs, whether they can be found by them or not */
    struct tls_tickets *tickets; /* server: borrowed; NULL: no tickets */
};

struct tls_context;

/* NULL: see error (a CA file that cannot be read, an unknown curve). */
struct tls_context *tls_context_new(const struct tls_settings *settings, struct error *error);
void tls_context_free(struct tls_context *context); /* NULL is fine; connections that use it go on */

/* Which keys and certificates this side shows; from the next handshake on. The context keeps a reference. NULL: none. */
void tls_context_set_credentials(struct tls_context *context, struct tls_credentials *credentials);

/* Whether a client of this context can use the record: as tls_tlsa_usable, with a digest of dane_digests, and data that can
 * be read. */
bool tls_context_takes_tlsa(const struct tls_context *context, const struct tls_tlsa *record);

/* OpenSSL as such, once a process, before the first context: tls_config_file and tls_config_name. "default": OpenSSL's
 * own file; "none": no file. */
bool tls_library_start(const char *config_file, const char *config_name, struct error *error);
/* Whether this OpenSSL can show and accept raw public keys (RFC 7250: OpenSSL 3.2). */
bool tls_library_has_raw_keys(void);

/* ---- one handshake ---- */

enum tls_log_level { TLS_LOG_NONE, TLS_LOG_SUMMARY, TLS_LOG_STEPS, TLS_LOG_DUMP_HANDSHAKE, TLS_LOG_DUMP_ALL };

enum tls_ask { TLS_ASK_NOT, TLS_ASK, TLS_REQUIRE };

/* The server's answer to the name that a client asks for (SNI); runs in the handshake's task and may wait. NULL: the
 * context's own credentials; or, with *refuse, none at all: it cannot be known (a fatal alert, internal_error). The
 * result is borrowed until the next call: OpenSSL takes its own references. */
typedef struct tls_credentials *tls_sni_fn(void *context, const char *name, bool *refuse);

/* A client's session that may be resumed later, as bytes; called any time while the connection lasts, and must not wait. */
typedef void tls_session_fn(void *context, const void *bytes, size_t length);

/* A server's sessions by their IDs (in hexadecimal), for clients without tickets; run in the handshake's task and may wait.
 * find appends the bytes, or returns false. */
typedef bool tls_find_session_fn(void *context, const char *id, struct text *session);
typedef void tls_keep_session_fn(void *context, const char *id, const void *bytes, size_t length);

struct tls_handshake {
    const char *peer;         /* "name[address]", for log lines */
    int log_level;            /* enum tls_log_level; summaries and errors are the caller's to log */
    struct deadline deadline; /* for the handshake as a whole */
    struct tls_protocols protocols;
    const char *ciphers; /* other ones than the context's; NULL: those */
    bool bind;           /* peer.end_point and peer.exporter are wanted */
    bool keep_chain;     /* peer.chain is wanted */

    /* Server. */
    enum tls_ask ask;    /* for a client certificate */
    tls_sni_fn *sni;     /* NULL: none */
    void *sni_context;
    tls_find_session_fn *find_session; /* NULL: none is looked for or kept */
    tls_keep_session_fn *keep_session;
    void *sessions_context;

    /* Client. */
    const char *server_name;       /* SNI; NULL: none is sent */
    const struct tls_match *match; /* who the server has to be; NULL: anybody */
    const void *session;           /* resumed if the server agrees; NULL: none. It must have been made under the same match:
                                    * who the server is was looked at then. Put all of it into the key of a cache */
    size_t session_length;
    tls_session_fn *new_session; /* NULL: none is kept */
    void *session_context;
};

enum tls_result {
    TLS_OK,
    TLS_TIMEOUT,
    TLS_LOST,   /* the peer closed the connection */
    TLS_FAILED, /* see error */
    TLS_CANCELLED,
};

enum tls_trust {
    TLS_ANONYMOUS, /* the peer showed no certificate */
    TLS_UNTRUSTED,
    TLS_TRUSTED,  /* by a CA that we trust; nobody asked for a name */
    TLS_VERIFIED, /* it is who handshake.match asked for */
};

/* Why a certificate proves nothing, for those who tell the usual reasons from the rest. */
enum tls_verify_reason { TLS_REASON_OTHER, TLS_REASON_SELF_SIGNED, TLS_REASON_UNTRUSTED_ISSUER, TLS_REASON_DATES, TLS_REASON_NAME };

enum { TLS_BINDING_SIZE = 64, TLS_EXPORTER_SIZE = 32 };

/* One certificate of the chain that a peer sent. */
struct tls_certificate {
    const char *subject, *issuer, *fingerprint, *key_fingerprint;
    const char *pem;
};

/* What was agreed. Strings belong to the arena that was given; "" where there is nothing to say. */
struct tls_peer {
    enum tls_trust trust;
    const char *trust_word; /* "Anonymous", "Untrusted", "Trusted", "Verified" */
    const char *verify_error; /* why not trusted: "self-signed certificate"; "" when it is */
    int verify_code;          /* OpenSSL's number for it */
    enum tls_verify_reason verify_reason;
    const char *unknown_issuer; /* of the chain's end: "/CN=authority" */
    const char *protocol;   /* "TLSv1.3" */
    const char *cipher;     /* "TLS_AES_256_GCM_SHA384" */
    int cipher_bits;        /* secret bits used, of algorithm_bits */
    int algorithm_bits;
    const char *agreed;  /* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)" */
    const char *details; /* "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256 ...", or "" */
    bool resumed;
    bool certificate; /* the peer showed one */
    bool asked;       /* server: a certificate was asked for */
    const char *subject, *issuer;       /* whole names: "/C=DE/CN=mail.example" */
    const char *subject_cn, *issuer_cn; /* common names, as checked (no NUL, no control character), "" when there is none */
    const char *certificate_fingerprint, *key_fingerprint; /* "AB:CD:...", in settings.digest */
    const char *server_name; /* server: what SNI asked for and was served; client: what was sent */
    /* Channel bindings for SASL (RFC 5802), with handshake.bind; length 0: there is none of that type. */
    unsigned char end_point[TLS_BINDING_SIZE]; /* "tls-server-end-point", RFC 5929 */
    size_t end_point_length;
    unsigned char exporter[TLS_EXPORTER_SIZE]; /* "tls-exporter", RFC 9266 */
    size_t exporter_length;
    const char *matched;     /* client: the name or record that made it verified */
    const char *matched_name; /* the name, if one was asked for; "" */
    const char *proof;       /* "Matched DANE EE certificate at depth 0: 3 1 1 AB..", "Matched trust anchor at depth 1"; "" */
    const struct tls_certificate *chain; /* with handshake.keep_chain */
    size_t chain_length;
};

/* Logs who the peer is, and what shows it. */
void tls_log_peer(const char *name, const struct tls_peer *peer);

/* Both: the connection's end of the handshake that was begun with STARTTLS, or with the connection itself. The
 * peer's chain and the handshake's memory are given back; what stays is what the cipher needs. */
enum tls_result tls_accept(struct tls_context *context, struct stream *stream, const struct tls_handshake *handshake,
                           struct arena *arena, struct tls_peer *peer, struct error *error);
enum tls_result tls_connect(struct tls_context *context, struct stream *stream, const struct tls_handshake *handshake,
                            struct arena *arena, struct tls_peer *peer, struct error *error);

#endif
