/* message_file - a queue file as a message: what the envelope says, where the content is, who is still owed.
 *
 * Reading is for the queue manager, delivery agents, bounce, showq, postcat and postsuper; writing is cleanup's and
 * postdrop's (message_writer.h). Segments: envelope (to 'M'), content (to 'X'), extracted (to 'E'). Recipients stand
 * in groups `A dsn_orig_rcpt=` / `A notify_flags=` / `O` / `R`, in the first or third segment. */
#ifndef MAIL_QUEUE_MESSAGE_FILE_H
#define MAIL_QUEUE_MESSAGE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mail/ipc/ipc.h"
#include "mail/queue/record.h"
#include "util/base/arena.h"
#include "util/base/error.h"

/* The first record of a file. */
struct queue_sizes {
    int64_t message_size;   /* bytes between M and X: of the records */
    int64_t data_offset;    /* of the first content record */
    int64_t recipients;
    int64_t qmgr_flags;
    int64_t content_length; /* the same, unless the content was edited behind the E record */
    int64_t sendopts;       /* enum sendopt */
};

struct message_recipient {
    const char *address;       /* internal form */
    const char *original;      /* before aliases; never NULL, "" when unknown */
    const char *dsn_orig_rcpt; /* "rfc822;..." or "" */
    int dsn_notify;            /* enum dsn_notify, 0: none given */
    int64_t offset;            /* of its record: what message_file_mark_done takes */
};

/* Everything of the envelope but its recipients. Text belongs to the arena and is never NULL. */
struct message_envelope {
    struct queue_sizes sizes;
    int64_t arrival_time; /* microseconds since 1970 */
    const char *sender;
    const char *full_name;
    const char *encoding;      /* "8bit", "7bit" or "" */
    const char *filter;        /* transport:nexthop */
    const char *redirect;
    const char *inspector;
    const char *verp_delimiters;
    const char *dsn_envid;
    int dsn_ret;               /* enum dsn_ret */
    int64_t warn_time;         /* seconds since 1970; 0: none */
    int64_t warn_offset;       /* of its record; 0: there is none */
    int64_t extracted_offset;  /* of the 'X' record */
    int64_t recipients_offset; /* of the first record about a recipient */
    struct ipc_strings attributes; /* all other "name=value", in file order */
    size_t recipients_left;    /* 'R' records: not done yet */
};

/* What the attribute trace_flags asks for: sendmail -bv looks and delivers nothing, sendmail -v reports on the first
 * try. */
enum trace_flag { TRACE_VERIFY = 512, TRACE_RECORD = 1024 };

/* The value of an attribute, "" when it is not there. */
const char *message_attribute(const struct ipc_strings *attributes, const char *name);

/* Reads the whole envelope (first and third segment; the content is skipped by seeking). False: the file is
 * damaged or unfinished (no 'E'), or cannot be read; error says so, *damaged which of the two. */
bool message_envelope_read(int fd, struct arena *arena, struct message_envelope *envelope, bool *damaged,
                           struct error *error);

/* Recipients that are not done, in file order, some at a time. The descriptor stays the caller's. */
struct recipient_reader;
struct recipient_reader *recipient_reader_new(int fd, const struct message_envelope *envelope);
void recipient_reader_free(struct recipient_reader *reader);
/* False at the end. Text belongs to the arena. */
bool recipient_reader_next(struct recipient_reader *reader, struct arena *arena, struct message_recipient *recipient);

/* Overwrites the type byte of a recipient's record: 'R' becomes 'D'. Not synced: after a crash the recipient may
 * get the message twice, never not at all. */
bool message_file_mark_done(int fd, int64_t offset);
/* Takes the envelope's attributes of that name out of force: 'A' becomes 'K'. */
bool message_file_kill_attribute(int fd, const char *name);
bool message_file_set_warn_time(int fd, int64_t warn_offset, int64_t when);

/* Content, line by line, pieces of long lines joined only up to the limit of one record: each call gives one record's
 * bytes and whether a line end follows. False at the end; *damaged tells whether that was a clean end ('X'). */
struct content_reader;
struct content_reader *content_reader_new(int fd, int64_t data_offset);
void content_reader_free(struct content_reader *reader);
bool content_reader_next(struct content_reader *reader, const char **bytes, size_t *length, bool *line_ends,
                         bool *damaged);
/* The records that it has read already: see record_reader_buffered. */
const char *content_reader_buffered(struct content_reader *reader, size_t *length);
void content_reader_consume(struct content_reader *reader, size_t length);

#endif
