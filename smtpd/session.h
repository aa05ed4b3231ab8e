/* session - one SMTP conversation as the server sees it: RFC 5321 and its extensions.
 *
 * A session is one task. What lives as long as the connection is in the session's arena, what lives as long as a
 * mail transaction in the transaction's, dropped whole at RSET, HELO or the end of data. */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/address/match_list.h"
#include "mail/ipc/ipc.h"
#include "mail/resolve/resolve_client.h"
#include "mail/service/service.h"
#include "util/base/arena.h"
#include "util/net/dns.h"
#include "util/table/table.h"
#include "util/task/stream.h"
#include "util/task/task.h"

struct smtpd_config {
#define PARAMETER PARAMETER_MEMBER
#include "smtpd/smtpd.def"
#include "smtpd/tls.def"
#undef PARAMETER
};

struct login_service;    /* auth.c */
struct restriction_list; /* restriction.h */
struct sasl_binding;     /* mail/sasl */
struct submission;       /* mail/submit */
struct content_decoder;  /* content.h */
struct smtpd_tls;        /* tls.h */
struct tls_peer;         /* util/net/tls.h */
struct forwarded_client; /* xclient.h */

enum restriction_list_kind {
    CLIENT_RESTRICTIONS,
    HELO_RESTRICTIONS,
    SENDER_RESTRICTIONS,
    RELAY_RESTRICTIONS,
    RECIPIENT_RESTRICTIONS,
    DATA_RESTRICTIONS,
    END_OF_DATA_RESTRICTIONS,
    ETRN_RESTRICTIONS,
    LOCAL_REWRITE_CLIENTS, /* local_header_rewrite_clients: a permit means local */
    RESTRICTION_LIST_KINDS,
    /* No lists: what check_ccert_access and check_sasl_access are about. */
    CLIENT_CERTIFICATE = RESTRICTION_LIST_KINDS,
    SASL_LOGIN_NAME,
};

enum recipient_map { LOCAL_RECIPIENTS, ALIAS_RECIPIENTS, MAILBOX_RECIPIENTS, RELAY_RECIPIENTS, CANONICAL_RECIPIENTS,
                     RECIPIENT_MAPS };

enum bare_newline { BARE_NEWLINE_NO, BARE_NEWLINE_NORMALIZE, BARE_NEWLINE_REJECT };

/* What the sessions of a process share; const after start but for caches and pools. */
struct smtpd {
    struct service_environment *environment;
    const struct mail_config *mail;
    const struct smtpd_config *config;
    struct dns *dns;
    struct resolve_client *resolve;
    struct submission_pool *cleanup;
    struct match_list *mynetworks, *bare_newline_exclusions, *noop_commands, *forbidden_commands, *unlimited;
    struct deadline anvil_silence; /* until then no line about anvil */
    struct net_interface *interfaces;
    size_t interface_count;
    struct table_list *discarded_keywords;
    struct table_list *recipients[RECIPIENT_MAPS];
    struct match_list *xclient_hosts, *xforward_hosts;
    struct login_service *logins; /* NULL: smtpd_sasl_auth_enable = no */
    struct table_list *sender_logins;
    struct restriction_list *restrictions[RESTRICTION_LIST_KINDS];
    enum bare_newline bare_newline;
    bool relay_guarded; /* some list keeps strangers from relaying */
    bool check_recipients; /* smtpd_reject_unlisted_recipient, unless receive_override_options says otherwise */
    int cleanup_flags;     /* as receive_override_options leaves them */
    int64_t space, space_known; /* free for the queue, in bytes; when that was, on the monotonic clock */
    bool unchecked;        /* sendmail -bs for somebody who is not mail_owner: no access control, and mail to maildrop */
    struct smtpd_tls *tls; /* NULL: TLS is not offered */
};

struct client {
    struct net_address address;
    char address_text[NET_ADDRESS_SIZE]; /* "192.0.2.1" */
    char port[8];
    struct dns_client_name name; /* "unknown" until the lookup is done */
    const char *identity;        /* "name[address]" */
    bool by_network;             /* not from a UNIX socket, or sendmail -bs */
    struct task *lookup;         /* NULL: done, or none */
    struct task_condition looked_up;
};

struct recipient {
    const char *address; /* internal form */
    const char *dsn_orig_rcpt;
    int dsn_notify;
};

/* From an accepted MAIL to its end. Everything in it belongs to arena. */
struct transaction {
    struct arena *arena;
    const char *sender; /* internal form */
    const char *encoding;
    const char *sasl_sender; /* MAIL's AUTH=, of a client that has logged in; NULL: none */
    const char *dsn_envid;
    int dsn_ret;
    int sendopts;
    int64_t size; /* as announced, then as received */
    struct recipient recipient; /* the one at hand, in RCPT */
    size_t recipient_count;     /* accepted */
    size_t overshoot;
    const char *first_recipient;
    struct submission *submission; /* from the first accepted recipient on */
    bool content_begun;            /* BDAT is on its way */
    bool content_failed;           /* BDAT: what follows is read and dropped */
    long long announced;           /* BDAT: bytes of the chunks before the one at hand */
    struct content_decoder *decoder; /* BDAT: from chunk to chunk */
    /* What restrictions asked for. */
    const char *hold, *discard; /* reasons */
    const char *filter, *redirect;
    struct text prepend; /* header lines with LF */
    struct text bcc;     /* addresses, one a line */
};

enum { COMMAND_LIMIT = 20 };

struct smtp_session {
    struct smtpd *smtpd;
    struct stream *stream;
    struct arena *arena;
    struct client client;
    struct net_address server;
    struct call *counted; /* with anvil, as long as the session; NULL: the client is not limited */
    struct forwarded_client *forwarded; /* XFORWARD, for the next message; NULL: none */
    const char *helo;     /* NULL: not said yet */
    const char *protocol; /* "SMTP" or "ESMTP" */
    bool extended;        /* EHLO was answered: the client knows the extensions */
    unsigned discarded;   /* enum ehlo_keyword: not announced to this client */
    enum bare_newline bare_newline;
    const char *sasl_method, *sasl_username; /* NULL: nobody has logged in */
    bool login_unavailable; /* a login was not offered since the login server cannot be reached */
    const char *tls_name;   /* the server name that the client asked TLS for; NULL: none */
    const struct sasl_binding *binding; /* ties logins to the TLS connection; NULL: nothing does */
    bool local_rewrite;   /* local_header_rewrite_clients has this client */
    struct transaction *transaction; /* NULL: none */
    const struct tls_peer *tls; /* NULL: the connection is not encrypted */
    const char *where;     /* the last command, for "lost connection after RCPT" */
    bool denied;           /* refused at once: no command but QUIT is obeyed */
    long errors, junk;
    bool failed;           /* the command at hand was answered with 4xx or 5xx */
    bool closing;          /* the session ends after this command */
    long good[COMMAND_LIMIT], total[COMMAND_LIMIT]; /* by row of the command table */
    struct text line;      /* the command */
    struct log_context log; /* NOQUEUE or the queue ID */
};

void smtpd_session(struct service_session *service_session);

/* Nobody can listen: TLS stands. */
static inline bool session_is_encrypted(const struct smtp_session *session)
{
    return session->tls != NULL;
}

/* Greets the client, who may be another now (XCLIENT), or refuses it. */
void session_greet(struct smtp_session *session);

/* Ends the transaction: what was not queued is forgotten, and what XFORWARD said. */
void session_end_transaction(struct smtp_session *session);

/* smtpd_forbid_bare_newline = reject: logs and answers. */
void session_refuse_bare_newline(struct smtp_session *session, const char *stage);

/* Input that stands where the client should have waited: logs and ends the session. True: it did. */
bool session_out_of_step(struct smtp_session *session);

#endif
