/* stream - a buffered connection inside a task.
 *
 * Each operation has the stream's timeout (for the operation as a whole, so that a peer that sends a byte now and
 * then is not endless) and, when set, an overall deadline. A failed stream stays failed, and says why. Buffers of
 * an idle stream go back: an empty one holds no memory. */
#ifndef UTIL_TASK_STREAM_H
#define UTIL_TASK_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/base/clock.h"
#include "util/base/text.h"
#include "util/task/task.h"

enum stream_status {
    STREAM_OK,
    STREAM_EOF, /* the peer closed */
    STREAM_TIMEOUT,
    STREAM_FAILED,    /* a system error: see stream_error */
    STREAM_CANCELLED, /* this task was */
    STREAM_TOO_LONG,  /* a line or string over its limit; the stream goes on */
};

struct stream;

/* Takes fd, a connected socket or pipe, and makes it non-blocking. */
struct stream *stream_new(int fd);
void stream_free(struct stream *stream); /* closes; unwritten data is lost. NULL is fine */
int stream_fd(const struct stream *stream);
int stream_detach(struct stream *stream); /* gives the descriptor back to the caller and frees the stream */

void stream_set_timeout(struct stream *stream, duration per_operation);
void stream_set_deadline(struct stream *stream, struct deadline deadline);
enum stream_status stream_status(const struct stream *stream);
int stream_error(const struct stream *stream); /* errno of STREAM_FAILED */

/* Connects with a deadline. -1 and errno (ETIMEDOUT, ECANCELED too) on failure; bind_to may be NULL. */
struct sockaddr;
int stream_connect(const struct sockaddr *address, unsigned length, const struct sockaddr *bind_to,
                   unsigned bind_length, struct deadline deadline);
int stream_connect_unix(const char *path, struct deadline deadline);

/* ---- reading ---- */

/* What is buffered, without waiting: pointer and count of the bytes at hand. */
const char *stream_buffered(const struct stream *stream, size_t *length);
void stream_consume(struct stream *stream, size_t length);
/* Nobody will read for some time: an empty buffer is given back, as it is while a task waits. */
void stream_rest(struct stream *stream);
/* Waits until at least one more byte is buffered than now. STREAM_TOO_LONG: limit bytes are there already. */
enum stream_status stream_fill(struct stream *stream, size_t limit);
/* Is there input that was not consumed yet, buffered or in the kernel? Does not wait. */
bool stream_has_input(struct stream *stream);

/* Reads one line, without its LF; *carriage_return (may be NULL) tells whether CR stood before it and was taken
 * away. A line longer than limit is read to its end and cut: STREAM_TOO_LONG, with the first limit bytes. line is
 * cleared first. At the end of input a rest without LF is dropped. */
enum stream_status stream_read_line(struct stream *stream, struct text *line, size_t limit, bool *carriage_return);
enum stream_status stream_read_exactly(struct stream *stream, void *bytes, size_t length);
/* Up to and without a NUL, into a cleared text. */
enum stream_status stream_read_string(struct stream *stream, struct text *string, size_t limit);

/* ---- writing: into the buffer; goes out when 16 KiB are there, or at stream_flush ---- */
enum stream_status stream_write(struct stream *stream, const void *bytes, size_t length);
/* Room for so many bytes behind those that were written: the caller fills it in at once. NULL: the stream has failed. */
char *stream_extend(struct stream *stream, size_t length);
enum stream_status stream_print(struct stream *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum stream_status stream_flush(struct stream *stream);
size_t stream_unflushed(const struct stream *stream);

/* Waits until the descriptor is readable (or writable): for a handshake, after a system call said EAGAIN. */
enum stream_status stream_wait(struct stream *stream, bool for_reading, struct deadline deadline);
/* What lies below has failed: the stream fails from now on, with this status. */
enum stream_status stream_fail(struct stream *stream, enum stream_status status, int error);

/* ---- another transport below (TLS) ----
 * read and write are as read(2) and write(2); on -1 with EAGAIN *crosswise says that read waits for writing (or
 * write for reading). close frees state, not the descriptor. */
struct stream_transport {
    ssize_t (*read)(void *state, void *bytes, size_t length, bool *crosswise);
    ssize_t (*write)(void *state, const void *bytes, size_t length, bool *crosswise);
    void (*close)(void *state);
};
bool stream_has_transport(const struct stream *stream);
/* Unread buffered bytes are dropped: nothing that came before a handshake is obeyed after it. */
void stream_set_transport(struct stream *stream, const struct stream_transport *transport, void *state);

#endif
