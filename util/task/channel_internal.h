/* What channel.c and call.c share, and nobody else sees. */
#ifndef UTIL_TASK_CHANNEL_INTERNAL_H
#define UTIL_TASK_CHANNEL_INTERNAL_H

#include "util/task/channel.h"
#include "util/task/task.h"

enum {
    WAITING_OUT_LIMIT = 256 * 1024, /* bytes to send before senders wait */
    WAITING_IN_LIMIT = 256 * 1024,  /* bytes a call has not received yet before its channel stops reading */
};

struct queued_frame {
    struct link link;
    uint16_t message;
    size_t length;
    char body[];
};

struct call {
    struct link link; /* in its channel's calls */
    struct channel *channel;
    uint32_t number; /* 0: nothing has been said in it */
    struct list frames;
    size_t waiting_bytes;
    struct queued_frame *current; /* what the last receive handed out */
    struct task_condition arrived;
    bool peer_ended, we_ended;
};

struct channel {
    struct stream *stream;
    char *protocol;
    struct task *reader, *writer;
    struct task_condition work;    /* the writer waits for it */
    struct task_condition room;    /* senders wait for it */
    struct task_condition drained; /* the reader waits for a slow call */
    struct task_condition quiet;   /* the server waits for its calls to end */
    struct text out, sending;
    struct list calls;
    uint32_t last_call;
    bool broken;
    bool leaving; /* the service wants to go: closed after the last call */
    int users;    /* the owner, the reader, the writer */

    /* the serving side only */
    struct link link; /* in its group */
    channel_serve_fn *serve;
    void *context;
    struct task_semaphore slots;
    bool limited;
};

/* Puts a frame behind those that are to leave; the writer is woken by channel_wake_writer. */
void channel_append_frame(struct channel *channel, uint32_t call, uint16_t message, uint16_t flags, const void *body,
                          size_t length);
void channel_wake_writer(struct channel *channel);
struct call *channel_add_call(struct channel *channel, uint32_t number);
void channel_release(struct channel *channel); /* by one of its users */

#endif
