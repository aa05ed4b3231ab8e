/* cleanup - what its sources share: the process's state and the message at hand.
 *
 * One call is one message is one task. Everything about a message hangs on struct cleanup_message and goes with it;
 * what fails is noted in its verdict, and the rest of the call is read and dropped. */
#ifndef CLEANUP_CLEANUP_H
#define CLEANUP_CLEANUP_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/address/match_list.h"
#include "mail/ipc/ipc.h"
#include "mail/message/mime_parts.h"
#include "mail/queue/message_writer.h"
#include "mail/queue/queue.h"
#include "mail/queue/spare.h"
#include "mail/service/service.h"
#include "util/base/log.h"
#include "util/base/map.h"
#include "util/table/table.h"

struct cleanup_config {
#define PARAMETER PARAMETER_MEMBER
#include "cleanup/cleanup.def"
#undef PARAMETER
};

enum { SPARES_KEPT = 64 };

enum canonical_class {
    CLASS_ENVELOPE_SENDER = 1,
    CLASS_ENVELOPE_RECIPIENT = 2,
    CLASS_HEADER_SENDER = 4,
    CLASS_HEADER_RECIPIENT = 8,
};

struct canonical_table {
    struct table_list *tables;
    int classes; /* of enum canonical_class: where it applies */
};

/* The process. Set up at start, const afterwards but for the pool and the directories. */
struct cleanup {
    const struct mail_config *mail;
    const struct cleanup_config *config;
    const struct queue_layout *layout;
    struct canonical_table sender_canonical, recipient_canonical, canonical;
    int masquerade_classes;
    struct match_list *masquerade_exceptions;
    struct table_list *virtual_alias, *sender_bcc, *recipient_bcc, *header_checks, *mime_header_checks,
        *nested_header_checks, *body_checks;
    struct match_list *our_domains; /* those in which a bare user name is looked up */
    const char **drop_headers;      /* NULL behind the last */
    bool propagate_canonical, propagate_virtual;
    struct channel_pool *qmgr;
    struct map *directories; /* open descriptors, by path */
    struct list commits;     /* messages that wait for a batch; commit.c */
    int batches;             /* on their way to the disk */
    int64_t batch_began;     /* the last one; on the monotonic clock */
    ino_t spares[SPARES_KEPT];
    size_t spare_count;
    struct tickets *tickets; /* tickets.c */
    long unanswered;         /* messages that the queue manager was told of, and has not taken up */
    struct deadline pressed; /* until then messages wait before they are begun */
};

struct cleanup_verdict {
    int code; /* 0: good so far */
    const char *dsn, *reason;
};

enum content_place { CONTENT_NONE, CONTENT_HEADER, CONTENT_BODY };

struct content_state {
    enum content_place place;
    struct text line;   /* a line that has not come whole yet */
    struct text header; /* the field at hand, its lines ended by LF; cut at header_size_limit */
    bool skipping;      /* the rest of this line is beyond header_size_limit */
    struct mime_parts *parts; /* when checks want to know the headers of parts; else NULL */
    struct text part_field;   /* a header field in the body */
    enum mime_header_level part_level;
    bool within_line; /* the body's line at hand has been looked at */
    int hops;
    int64_t body_checked; /* bytes of the body that body_checks have seen */
    unsigned seen;        /* 1 << enum header_kind_id */
    bool resent;
    bool says_requiretls; /* a header field carries REQUIRETLS */
};

struct cleanup_message {
    struct cleanup *cleanup;
    struct arena *arena;
    struct arena *scratch; /* for one header field */
    struct cleanup_open open;
    char id[QUEUE_ID_SIZE];
    char queue[32]; /* where its file is, or will be; "" when there is none */
    int fd;
    bool reused;        /* the file is written over a spare, and gets its name in the end */
    struct spare spare;
    struct log_context log;
    struct message_writer *writer;
    struct cleanup_verdict verdict;
    bool discard, hold;
    bool ticket_wanted;
    const char *filter, *redirect; /* asked for by checks, or by the client after the envelope's head */
    struct ipc_strings late_bcc;   /* asked for by checks */
    const char *sender;            /* canonical */
    const char *first_recipient;   /* for the log */
    struct map *seen_recipients;
    struct content_state content;
    bool content_ended; /* its end is in the file */
};

/* ---- message.c ---- */
bool message_begin(struct cleanup_message *message); /* makes the file and writes the envelope's head */
void message_end(struct cleanup_message *message, const struct cleanup_end *end); /* verdict tells */
void message_abandon(struct cleanup_message *message); /* removes the file */
void message_close(struct cleanup_message *message);   /* its file: the queue manager's turn */
void message_free(struct cleanup_message *message);
/* The first failure decides. reason lives as long as the message. */
void message_fail(struct cleanup_message *message, int code, const char *dsn, const char *reason);
void message_fail_write(struct cleanup_message *message, int reason, const char *what);

/* ---- spares.c ---- */
long spares_wanted(const struct cleanup *cleanup);
void spares_add(struct cleanup *cleanup, uint64_t inode);
bool spares_take(struct cleanup *cleanup, struct spare *spare); /* False: there is none */

/* ---- tickets.c ---- */
struct tickets *tickets_new(void);
void tickets_drop(struct tickets *tickets);
int64_t tickets_issue(struct cleanup *cleanup); /* 0: there is no spare */
bool tickets_redeem(struct cleanup *cleanup, int64_t ticket, struct spare *spare); /* False: it is not here */

/* ---- recipients.c ---- */
void recipients_add(struct cleanup_message *message, const struct cleanup_recipient *recipient);
void recipients_add_bcc(struct cleanup_message *message, const char *address);
void recipients_add_bcc_of(struct cleanup_message *message, struct table_list *tables, const char *address);

/* ---- mapping.c ---- */
/* The canonical address in the arena; NULL when a table could not answer (the verdict says so). */
const char *mapping_canonical(struct cleanup_message *message, const char *address, int class);
/* The address without its subdomain, as masquerade_domains say; masquerade.c. */
const char *mapping_masquerade(struct cleanup_message *message, const char *address, int class);
/* What the address stands for after all aliases. NULL as above. */
const struct ipc_strings *mapping_expand(struct cleanup_message *message, const char *address);

/* ---- content.c ---- */
void content_start(struct cleanup_message *message);
void content_take(struct cleanup_message *message, const char *bytes, size_t length);
void content_end(struct cleanup_message *message);

/* ---- headers.c ---- */
void headers_take(struct cleanup_message *message, struct text *field); /* a whole field, lines ended by LF */
void headers_add_missing(struct cleanup_message *message);
void headers_put(struct cleanup_message *message, const char *field); /* lines between LFs */

/* ---- checks.c ---- */
/* Looks the line up. False: it is not to be written. Its text may have been replaced. */
bool checks_apply(struct cleanup_message *message, struct table_list *tables, const char *kind, struct text *line);

/* The tables for a header field of this level; the fields of MIME have their own. */
struct table_list *checks_for_field(const struct cleanup *cleanup, enum mime_header_level level, const char *field);

/* ---- return.c ---- */
/* Returns what was refused to its sender. False: that cannot be done now. */
bool message_return(struct cleanup_message *message);

/* ---- commit.c ---- */
bool commit_file(struct cleanup_message *message); /* ready and durable. False: errno */
void commit_tell_qmgr(struct cleanup_message *message);
void commit_keep_flow(struct cleanup *cleanup); /* in_flow_delay, when mail comes in too fast */

extern const struct parameter_set cleanup_parameters;

#endif
