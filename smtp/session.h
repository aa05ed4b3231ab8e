/* session - one connection to one server, from connecting to QUIT. Owned by the delivery that uses it, or by the cache. */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/ipc/ipc.h"
#include "smtp/config.h"
#include "smtp/destination.h"
#include "smtp/ehlo.h"
#include "smtp/reply.h"
#include "smtp/trouble.h"
#include "util/base/arena.h"
#include "util/base/list.h"
#include "util/task/stream.h"

/* Who can listen: anybody, nobody, nobody and the server is who it says. */
enum session_security { SESSION_PLAIN, SESSION_ENCRYPTED, SESSION_VERIFIED, SESSION_SECURITIES };

struct sasl_binding; /* mail/sasl */
struct smtp_tls_policy; /* tls_policy.h */
struct tls_peer;

/* How an attempt to use TLS ended (tls_report.h). */
struct smtp_tls_outcome {
    bool known; /* there was one */
    enum tls_failure failure;
    const char *reason; /* in words; "" none */
};

struct smtp_session {
    const struct smtp_client *client;
    struct stream *stream;
    struct arena *arena;     /* for the names below */
    const char *host;        /* "mx.example" */
    const char *helo;        /* what it calls itself; "" not known yet */
    const char *peer;        /* "mx.example[192.0.2.1]" */
    const char *relay;       /* "mx.example[192.0.2.1]:25" */
    struct net_address address;
    struct ehlo_offer offer; /* nothing, when the server knows HELO only */
    struct smtp_reply reply; /* the last */
    struct text command;     /* that is put together for a transaction: its memory serves the next one */
    enum session_security security;
    const struct sasl_binding *binding; /* ties logins to the TLS connection; NULL: nothing does */
    bool logged_in;
    const char *owner;       /* whose mail alone may use it again; "": any */
    int64_t started;         /* on the monotonic clock, microseconds */
    int uses;                /* deliveries so far, this one included */
    const struct tls_peer *tls; /* NULL: not encrypted */
    const char *tls_key;     /* of what may be resumed later */
    unsigned tickets;        /* that came for that */
    const char *tls_identity; /* of the policy that it was made under */
    const char *tls_level;   /* of that policy, for the log: tls_status.h */
    bool tls_failed;         /* the handshake */
    struct smtp_tls_outcome outcome;
    bool needs_reset;        /* a transaction was left open */
    bool dead;               /* no more commands make sense, not even QUIT */
    struct link link;        /* in the cache */
    int64_t keep_until;      /* there; on the monotonic clock */
};

/* What the session is for. */
struct smtp_purpose {
    const char *nexthop; /* as the queue manager names it */
    const char *sender;
    const char *owner;   /* whose mail alone it may take; "": any (auth.h) */
    const struct smtp_tls_policy *policy;
    const char *report_domain; /* who hears how TLS fared; NULL: nobody */
};

/* Connects, takes the greeting, says EHLO, begins TLS as the policy wants it, and logs in. NULL: trouble says why (its text
 * lives in the arena). *handshake_failed: it was TLS that failed, before anything of the mail was said. */
struct smtp_session *smtp_session_open(const struct smtp_client *client, const struct smtp_host *host,
                                       const struct smtp_purpose *purpose, struct arena *arena,
                                       struct smtp_trouble *trouble, bool *handshake_failed);

/* Connects, and says nothing yet. NULL: trouble says why. */
struct smtp_session *smtp_session_connect(const struct smtp_client *client, const struct smtp_host *host,
                                          struct arena *arena, struct smtp_trouble *trouble);

/* Sends what was written and waits for the next reply, all within the time. False: the connection is of no more use
 * (smtp_session_lost says how). */
bool smtp_session_receive(struct smtp_session *session, duration limit);

/* More replies are due than have come: asks the system to acknowledge at once what did come. A server that writes
 * each reply by itself waits for that before it sends the next (RFC 896, RFC 1122 section 4.2.3.2). */
void smtp_session_hurry(struct smtp_session *session);

/* "lost connection with h[a] while sending RCPT TO", "conversation with h[a] timed out while ...". */
void smtp_session_lost(struct smtp_session *session, const char *doing, struct arena *arena,
                       struct smtp_trouble *trouble);

/* Fills in who the trouble is with; diagnostic: what the server said, NULL: nothing. The reason is the caller's. */
void smtp_session_set_trouble(const struct smtp_session *session, const char *dsn, const char *diagnostic,
                              struct arena *arena, struct smtp_trouble *trouble);

/* "mx.example[192.0.2.1]", "mail.example[private/store]"; and the same with the port, where there is one. */
const char *smtp_peer_name(const struct smtp_host *host, struct arena *arena);
const char *smtp_relay_name(const struct smtp_host *host, struct arena *arena);

/* QUIT, if the session is alive, and close. */
void smtp_session_close(struct smtp_session *session);

#endif
