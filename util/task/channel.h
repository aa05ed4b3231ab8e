/* channel - one UNIX connection that carries many calls at once.
 *
 * A call is a conversation of frames, each in its own task on both sides. A frame is (message number, call
 * number, body); the body is fields as tag-length-value (mail/ipc knows them) or plain bytes. Both ends open with
 * the protocol's name and version. Damaged frames close the channel and are logged; they never end the process.
 *
 * Wire, all integers little endian: greeting "postern PROTOCOL 1\n" from each side; then frames
 *     u32 body length (at most CHANNEL_BODY_LIMIT) | u32 call | u16 message | u16 flags | body
 * with flags as in enum frame_flag. The side that connected opens calls. Message number 0 only ends a call. */
#ifndef UTIL_TASK_CHANNEL_H
#define UTIL_TASK_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/clock.h"
#include "util/base/error.h"
#include "util/base/list.h"
#include "util/task/stream.h"

enum { CHANNEL_BODY_LIMIT = 4 * 1024 * 1024 };

enum frame_flag {
    FRAME_LAST = 1,    /* this side sends no more in this call */
    FRAME_GOODBYE = 2, /* on call 0: the serving side wants to leave; calls go elsewhere from now on */
};

struct channel;
struct call;

struct frame {
    uint16_t message;
    const void *body; /* valid until the next receive on this call */
    size_t length;
};

/* ---- the side that calls ---- */
/* NULL: see error. */
struct channel *channel_connect(const char *path, const char *protocol, struct deadline deadline, struct error *error);
/* Calls still open fail: their receive says CALL_ENDED. */
void channel_close(struct channel *channel);
/* False when it has broken, and when the service wants to leave (it has been told to drain): open calls go on to
 * their end, and the channel closes itself after the last one. For the next call take another channel, and close
 * this one whenever you like. */
bool channel_alive(const struct channel *channel);
size_t channel_calls(const struct channel *channel); /* open ones */
struct call *call_open(struct channel *channel);

/* ---- the side that serves ---- */
/* Serves the connection until the peer closes it or the current task is cancelled. Each call runs in a task of
 * its own; at most `limit` of this channel at once (0: no limit), the rest wait in order. Takes the stream. The
 * call is closed when serve returns. A limit is for calls of one request: one that streams more than
 * 256 KiB ahead of its turn would hold up the frames behind it. */
typedef void channel_serve_fn(struct call *call, void *context);
void channel_serve(struct stream *stream, const char *protocol, long limit, channel_serve_fn *serve, void *context);

/* Channels that leave together. Once it has been told to leave, a group's channels serve what still comes in, and
 * end when their callers have gone. */
struct channel_group {
    struct list channels;
    bool leaving;
};
void channel_group_init(struct channel_group *group);
void channel_group_leave(struct channel_group *group);
void channel_serve_in(struct channel_group *group, struct stream *stream, const char *protocol, long limit,
                      channel_serve_fn *serve, void *context);

/* ---- within a call ---- */
/* False when the channel has broken. Frames leave together at the end of the loop's turn; a sender that is far
 * ahead of the connection waits. */
bool call_send(struct call *call, uint16_t message, const void *body, size_t length);
/* The same for a frame that may wait until another one of this channel leaves. */
bool call_send_later(struct call *call, uint16_t message, const void *body, size_t length);
/* The same for the last one: this side says no more in this call. */
bool call_send_last(struct call *call, uint16_t message, const void *body, size_t length);
enum call_status { CALL_OK, CALL_ENDED, CALL_TIMEOUT, CALL_CANCELLED };
enum call_status call_receive(struct call *call, struct frame *frame, struct deadline deadline);
/* The body of the last frame is not needed any more: a call that goes on for long need not keep it. */
void call_drop_frame(struct call *call);
/* Whether the process that called has gone, even when not all that it sent has been read yet. */
bool call_abandoned(const struct call *call);
void call_close(struct call *call); /* tells the peer that no more will come, unless it knows; frees the call */

/* ---- channels kept ready ---- */
/* For conversations that stream much (message content) each lease has a channel to itself, so that back-pressure
 * reaches the sender without holding up another call. channel_pool_shared is one channel for all small calls. */
struct channel_pool;
struct channel_pool *channel_pool_new(const char *path, const char *protocol, size_t idle_limit);
void channel_pool_free(struct channel_pool *pool);
struct channel *channel_pool_lease(struct channel_pool *pool, struct deadline deadline, struct error *error);
void channel_pool_return(struct channel_pool *pool, struct channel *channel); /* a broken one is dropped */
struct channel *channel_pool_shared(struct channel_pool *pool, struct deadline deadline, struct error *error);
/* The process's own pool to that place, made when first asked for. For shared calls only. */
struct channel_pool *channel_pool_process(const char *path, const char *protocol);
void channel_pool_process_end(void); /* closes them, from within a task: for tests and orderly exits */

#endif
