/* ipc - the internal messages as C: one struct and one row for each message of ipc.def, and the flags in them. */
#ifndef MAIL_IPC_IPC_H
#define MAIL_IPC_IPC_H

#include "mail/ipc/message.h"

#define MESSAGE(name, number)                                                                                         \
    enum { IPC_##name = (number) };                                                                                   \
    extern const struct ipc_message ipc_##name;                                                                       \
    struct name {
#define STRING(tag, field) const char *field;
#define NUMBER(tag, field) int64_t field;
#define STRINGS(tag, field) struct ipc_strings field;
#define END(name) };
#include "mail/ipc/ipc.def"
#undef MESSAGE
#undef STRING
#undef NUMBER
#undef STRINGS
#undef END

/* Content of a message for cleanup: plain bytes. */
enum { IPC_CLEANUP_CONTENT = 15 };

/* How long a ticket for a queue file may be used; cleanup keeps the file twice as long. */
#define IPC_TICKET_LIFETIME (30 * SECONDS)

/* Protocol names (service.h, channel.h) and where the services listen (below queue_directory). */
#define IPC_PROTOCOL_REWRITE "rewrite"
#define IPC_PROTOCOL_CLEANUP "cleanup"
#define IPC_PROTOCOL_QMGR "qmgr"
#define IPC_PROTOCOL_DELIVERY "delivery"
#define IPC_PROTOCOL_BOUNCE "bounce"
#define IPC_PROTOCOL_TLSMGR "tlsmgr"
#define IPC_PROTOCOL_ANVIL "anvil"
#define IPC_PROTOCOL_MTASTS "mtasts"
#define IPC_PROTOCOL_TLSRPT "tlsrpt"

#define IPC_SOCKET_REWRITE "private/rewrite"
#define IPC_SOCKET_CLEANUP "public/cleanup"
#define IPC_SOCKET_QMGR "public/qmgr"
#define IPC_SOCKET_TLSMGR "private/tlsmgr"
#define IPC_SOCKET_ANVIL "private/anvil"
#define IPC_SOCKET_MTASTS "private/mtasts"
#define IPC_SOCKET_TLSRPT "private/tlsrpt"
#define IPC_SOCKET_BOUNCE "private/bounce"
#define IPC_SOCKET_DEFER "private/defer"
#define IPC_SOCKET_TRACE "private/trace"

enum resolve_flag {
    RESOLVE_LOCAL = 1,     /* the domain is in mydestination (or an address of ours) */
    RESOLVE_VIRTUAL_ALIAS = 2,
    RESOLVE_VIRTUAL_MAILBOX = 4,
    RESOLVE_RELAY = 8,
    RESOLVE_DEFAULT = 16,
    RESOLVE_ROUTED = 32,   /* the local part holds another route: user%domain@here, @relay:... */
    RESOLVE_ERROR = 64,    /* the address cannot be delivered: transport error, nexthop is the reason */
    RESOLVE_FAILED = 128,  /* a table could not answer: try again later */
};

enum cleanup_flag {
    CLEANUP_FILTER = 1,    /* apply header and body checks: mail from outside */
    CLEANUP_HOLD = 2,
    CLEANUP_DISCARD = 4,
    CLEANUP_BCC = 8,       /* add always_bcc and its kin */
    CLEANUP_MAP = 16,      /* canonical and alias tables apply */
    CLEANUP_INTERNAL = 32, /* a notification of our own */
    CLEANUP_BOUNCE = 64,   /* the sender has gone: what cannot be accepted is returned by mail */
    CLEANUP_UTF8 = 128,    /* SMTPUTF8 when addresses or headers need it */
};

/* The low bits are as Postfix keeps them in queue files. */
enum sendopt {
    SENDOPT_SMTPUTF8 = 1,    /* the sender asked for it */
    SENDOPT_UTF8_HEADER = 2, /* where there is something beyond ASCII */
    SENDOPT_UTF8_SENDER = 4,
    SENDOPT_UTF8_RECIPIENT = 8,
    SENDOPT_REQUIRETLS = 256,       /* RFC 8689 */
    SENDOPT_TLS_REQUIRED_NO = 512,  /* the same: a header asks for delivery whatever TLS is like */
};

enum dsn_notify { DSN_NOTIFY_NEVER = 1, DSN_NOTIFY_SUCCESS = 2, DSN_NOTIFY_FAILURE = 4, DSN_NOTIFY_DELAY = 8 };
enum dsn_ret { DSN_RET_NONE, DSN_RET_FULL, DSN_RET_HDRS };

enum delivery_flag {
    DELIVERY_RECORD = 2, /* success is to be reported to the sender (trace) */
    DELIVERY_PROBE = 4,  /* look, do not deliver */
};

enum delivery_status {
    DELIVERY_DONE = 0,         /* nothing speaks against the destination; `deferred` recipients remain */
    DELIVERY_SITE_FAILED = 1,  /* connect or handshake failed: counts towards a dead destination */
    DELIVERY_AGENT_FAILED = 2, /* the agent itself cannot work now: skip the transport for a while */
};

/* What clients do that is limited. */
enum anvil_kind { ANVIL_CONNECTION, ANVIL_MESSAGE, ANVIL_RECIPIENT, ANVIL_NEW_TLS, ANVIL_AUTH, ANVIL_KINDS };

/* RFC 8461 section 3.2, and MTASTS_NONE also: the domain has no policy. */
enum mtasts_mode { MTASTS_NONE, MTASTS_TESTING, MTASTS_ENFORCE };

/* RFC 8460 section 4.4 */
enum tls_policy_type { TLS_POLICY_NONE_FOUND, TLS_POLICY_TLSA, TLS_POLICY_STS };

/* RFC 8460 section 4.3; their words are in mail/tlsrpt/failure.h. */
enum tls_failure {
    TLS_FAILURE_NONE,
    TLS_FAILURE_STARTTLS_NOT_SUPPORTED,
    TLS_FAILURE_CERTIFICATE_HOST_MISMATCH,
    TLS_FAILURE_CERTIFICATE_EXPIRED,
    TLS_FAILURE_CERTIFICATE_NOT_TRUSTED,
    TLS_FAILURE_VALIDATION,
    TLS_FAILURE_TLSA_INVALID,
    TLS_FAILURE_DNSSEC_INVALID,
    TLS_FAILURE_DANE_REQUIRED,
    TLS_FAILURE_STS_POLICY_FETCH,
    TLS_FAILURE_STS_POLICY_INVALID,
    TLS_FAILURE_STS_WEBPKI_INVALID,
};

enum bounce_kind {
    BOUNCE_FAILURE,  /* non-delivery report; to postmaster as notify_classes says */
    BOUNCE_WARNING,  /* still being retried */
    BOUNCE_SUCCESS,  /* what DSN asked for: delivered, relayed, expanded */
    BOUNCE_VERIFY,   /* what sendmail -bv and -v asked for */
    BOUNCE_FORGET,   /* no message: drop the log (postsuper, all delivered) */
};

#endif
