/* finger - one look at how a server does TLS: what posttls-finger does when its options are read. */
#ifndef SMTP_FINGER_H
#define SMTP_FINGER_H

#include "smtp/session.h"
#include "smtp/tls_policy.h"
#include "util/base/arena.h"
#include "util/base/map.h"
#include "util/base/text.h"

/* What -L asks for, beside smtp_tls_loglevel. */
enum finger_log {
    FINGER_SUMMARY = 1,    /* what was agreed */
    FINGER_PEER = 2,       /* the certificate, and what it matches */
    FINGER_SESSIONS = 4,   /* what is kept to be resumed */
};

/* What was asked for; filled by the caller. */
struct finger {
    struct smtp_config *config;
    struct smtp_client *client;
    const char *destination; /* "example.com", "[mx.example.com]:465", "unix:/path" */
    enum smtp_tls_level level;
    int log;                 /* of enum finger_log */
    bool silent;             /* what is said is not shown */
    bool chain;              /* the certificates are printed */
    duration pause;          /* before a second connection; 0: there is none */
    long reconnects;         /* at most */
    struct arena *arena;
};

/* Looks for the destination's hosts, and at the first one that can be reached. From within a task. */
void finger_run(struct finger *finger);

/* ---- finger_policy.c ---- */
/* What is asked of one host, in the end. False: it is not to be talked to; trouble says why. */
bool finger_policy(const struct finger *finger, const struct smtp_host *host, struct smtp_tls_policy *policy,
                   struct smtp_trouble *trouble);

/* ---- finger_session.c ---- */
/* What one connection showed. */
struct finger_seen {
    char *server;         /* by its EHLO reply; owned, NULL: it did not get so far */
    struct map *sessions; /* that may be resumed, struct text by their names; owned */
    bool encrypted;
};

void finger_seen_init(struct finger_seen *seen);
void finger_seen_free(struct finger_seen *seen);
/* One connection from the greeting to QUIT. again: not the first one; *seen has the sessions from before, and gets new ones.
 * False: no connection; trouble says why. */
bool finger_session(const struct finger *finger, const struct smtp_host *host, const struct smtp_tls_policy *policy, bool again,
                    struct finger_seen *seen, struct smtp_trouble *trouble);

#endif
