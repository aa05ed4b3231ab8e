/* record - the records that queue files are made of.
 *
 * A record is one type byte, a length in groups of seven bits (least significant first, the high bit says that more
 * follow, at most three bytes written), and that many bytes of data. Nothing terminates it. */
#ifndef MAIL_QUEUE_RECORD_H
#define MAIL_QUEUE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/base/text.h"

enum record_type {
    RECORD_SIZE = 'C',          /* "%15ld %15ld %15ld %15ld %15ld %15ld": see queue_sizes */
    RECORD_TIME = 'T',          /* arrival: "seconds microseconds" */
    RECORD_CREATE_TIME = 'c',
    RECORD_FULL_NAME = 'F',
    RECORD_INSPECTOR = 'I',
    RECORD_FILTER = 'L',        /* in the envelope: content filter transport:nexthop */
    RECORD_SENDER = 'S',
    RECORD_DONE = 'D',          /* a recipient ('R') that is done: the type byte is overwritten */
    RECORD_RECIPIENT = 'R',
    RECORD_ORIGINAL = 'O',
    RECORD_CANCELLED = '/',
    RECORD_WARN_TIME = 'W',     /* "%15ld", updated in place; 0: sent */
    RECORD_ATTRIBUTE = 'A',     /* "name=value" */
    RECORD_KILLED = 'K',
    RECORD_REDIRECT = '>',
    RECORD_FLAGS = 'f',
    RECORD_DELAY = 'd',
    RECORD_MESSAGE = 'M',       /* content starts behind it */
    RECORD_LINE = 'N',          /* a line, its end implied */
    RECORD_LINE_PART = 'L',     /* in the content: a piece, the line goes on in the next record */
    RECORD_PADDING = 'w',
    RECORD_EXTRACTED = 'X',     /* end of content */
    RECORD_RETURN_RECEIPT = 'r',
    RECORD_ERRORS_TO = 'e',
    RECORD_PRIORITY = 'P',
    RECORD_POINTER = 'p',       /* "%15ld": read on at that offset; 0: none */
    RECORD_VERP = 'V',
    RECORD_DSN_RET = '<',
    RECORD_DSN_ENVID = 'i',
    RECORD_DSN_ORCPT = 'o',
    RECORD_DSN_NOTIFY = 'n',
    RECORD_MILTER_COUNT = 'm',
    RECORD_END = 'E',
};

enum { RECORD_DATA_LIMIT = 1 << 20 }; /* longer ones are damage */

void record_append(struct text *out, int type, const char *data, size_t length);
void record_append_string(struct text *out, int type, const char *string);

enum record_status {
    RECORD_OK,
    RECORD_END_OF_FILE, /* between two records */
    RECORD_DAMAGED,     /* cut off, or a length beyond the limit */
    RECORD_FAILED,      /* the system refused: errno */
};

/* Reads forward with a buffer of its own, by pread; the descriptor stays the caller's, its position unchanged. */
struct record_reader;

struct record {
    int type;
    off_t offset;     /* of its type byte */
    const char *data; /* NUL behind it; may hold NULs; gone at the next read */
    size_t length;
};

struct record_reader *record_reader_new(int fd, off_t offset);
void record_reader_free(struct record_reader *reader); /* NULL is fine */
enum record_status record_read(struct record_reader *reader, struct record *record);
/* The same, following pointer records that are not 0 (at most 100,000 of them: then damaged). */
enum record_status record_read_logical(struct record_reader *reader, struct record *record);
void record_reader_seek(struct record_reader *reader, off_t offset);

/* Most records lie whole in the reader's buffer, their length in one byte or two. Who reads very many of them looks at
 * the buffer: what is there now, without reading; how much of it is head and data of the record at its start (false:
 * record_read has to find out); so much was used, in whole records. */
const char *record_reader_buffered(struct record_reader *reader, size_t *length);
static inline bool record_head(const char *bytes, size_t have, size_t *head, size_t *length)
{
    const unsigned char *at = (const unsigned char *)bytes;

    if (have < 3 || (at[1] & at[2] & 0x80) != 0)
        return false;
    *head = at[1] < 0x80 ? 2 : 3;
    *length = at[1] < 0x80 ? at[1] : (at[1] & 0x7fu) | (size_t)at[2] << 7;
    return *length <= have - *head;
}
void record_reader_consume(struct record_reader *reader, size_t length);

/* What the type is called, as postcat prints it: "named_attribute", "recipient". NULL: unknown. */
const char *record_type_name(int type);

#endif
