/* The conversations of a channel, as those who lead them see them. */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "util/task/channel_internal.h"

struct call *call_open(struct channel *channel)
{
    return channel_add_call(channel, 0);
}

static bool send_frame(struct call *call, uint16_t message, uint16_t flags, const void *body, size_t length)
{
    struct channel *channel = call->channel;

    assert(message != 0 && length <= CHANNEL_BODY_LIMIT && !call->we_ended);
    while (!channel->broken && channel->out.length > WAITING_OUT_LIMIT)
        if (task_condition_wait(&channel->room, deadline_never()) != WAIT_READY)
            return false;
    if (channel->broken)
        return false;
    if (call->number == 0) /* now, not before the wait: the peer takes numbers that grow for new ones */
        call->number = ++channel->last_call;
    channel_append_frame(channel, call->number, message, flags, body, length);
    return true;
}

bool call_send_later(struct call *call, uint16_t message, const void *body, size_t length)
{
    bool sent = send_frame(call, message, 0, body, length);

    if (sent && call->channel->out.length > WAITING_OUT_LIMIT / 4)
        channel_wake_writer(call->channel);
    return sent;
}

bool call_send(struct call *call, uint16_t message, const void *body, size_t length)
{
    bool sent = send_frame(call, message, 0, body, length);

    channel_wake_writer(call->channel);
    return sent;
}

bool call_send_last(struct call *call, uint16_t message, const void *body, size_t length)
{
    bool sent = send_frame(call, message, FRAME_LAST, body, length);

    call->we_ended = true;
    channel_wake_writer(call->channel);
    return sent;
}

void call_drop_frame(struct call *call)
{
    free(call->current);
    call->current = NULL;
}

enum call_status call_receive(struct call *call, struct frame *frame, struct deadline deadline)
{
    call_drop_frame(call);
    while (list_empty(&call->frames)) {
        if (call->peer_ended || call->channel->broken)
            return CALL_ENDED;
        switch (task_condition_wait(&call->arrived, deadline)) {
        case WAIT_TIMEOUT: return CALL_TIMEOUT;
        case WAIT_CANCELLED: return CALL_CANCELLED;
        case WAIT_READY: break;
        }
    }
    call->current = list_entry(list_take_first(&call->frames), struct queued_frame, link);
    call->waiting_bytes -= call->current->length;
    if (!list_empty(&call->channel->drained.waiters) && call->waiting_bytes <= WAITING_IN_LIMIT)
        task_condition_wake_all(&call->channel->drained);
    frame->message = call->current->message;
    frame->body = call->current->body;
    frame->length = call->current->length;
    return CALL_OK;
}

bool call_abandoned(const struct call *call)
{
    struct pollfd peer = {.fd = stream_fd(call->channel->stream)};

    return call->channel->broken || (poll(&peer, 1, 0) == 1 && (peer.revents & (POLLHUP | POLLERR)) != 0);
}

void call_close(struct call *call)
{
    struct channel *channel = call->channel;

    if (!channel->broken && !call->we_ended && call->number != 0) {
        channel_append_frame(channel, call->number, 0, FRAME_LAST, NULL, 0);
        channel_wake_writer(channel);
    }
    for (struct link *next; (next = list_take_first(&call->frames)) != NULL;)
        free(list_entry(next, struct queued_frame, link));
    free(call->current);
    list_remove(&channel->calls, &call->link);
    free(call);
    if (channel->leaving) /* the writer waits for the last call to end */
        channel_wake_writer(channel);
    task_condition_wake_all(&channel->drained);
    if (channel->users == 0) {
        channel->users = 1;
        channel_release(channel);
    }
}
