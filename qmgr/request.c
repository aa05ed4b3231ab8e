#include "qmgr/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "qmgr/message.h"
#include "qmgr/scan.h"
#include "qmgr/spares.h"
#include "qmgr/suspension.h"

/* ---- new messages ---- */

/* cleanup has queued a message. What finds no room is found by a scan when there is some. */
static void serve_new_message(struct manager *manager, struct call *call, const struct qmgr_new_message *told,
                              struct arena *arena)
{
    struct qmgr_taken answer = {.full = false};

    if (queue_id_valid(told->queue_id) &&
        message_take(manager, QUEUE_INCOMING, told->queue_id, TAKE_FRESH) == TAKE_NO_ROOM) {
        answer.full = true;
        scan_request(manager->incoming, false);
    }
    answer.spares = spares_give(manager->spares, told->spares_wanted, arena);
    ipc_send_last(call, &ipc_qmgr_taken, &answer);
}

/* ---- delivering now ---- */

enum fate { FATE_STARTED, FATE_WAITING, FATE_BUSY, FATE_ABSENT };

/* Due now, and to be tried even at a dead destination. */
static enum fate make_due(const struct manager *manager, const char *id)
{
    int fd = queue_file_open(manager->layout, QUEUE_DEFERRED, id, O_RDWR | O_NONBLOCK);
    enum fate fate = FATE_WAITING;
    struct stat status;

    if (fd < 0)
        return FATE_ABSENT;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        fate = FATE_ABSENT;
    else if (message_file_busy(fd))
        fate = FATE_BUSY;
    else if (fchmod(fd, (status.st_mode & 07777) | QUEUE_BIT_UNTHROTTLE) != 0 || futimens(fd, NULL) != 0)
        log_warning(NULL, "%s: cannot be made due: %s", id, strerror(errno));
    close(fd);
    return fate;
}

static enum fate deliver_now(struct manager *manager, const char *id, bool insist)
{
    enum fate fate;

    if (!queue_id_valid(id))
        return FATE_ABSENT;
    if (map_get(manager->messages, id) != NULL)
        return FATE_BUSY;
    fate = make_due(manager, id);
    if (fate != FATE_WAITING)
        return fate;
    switch (message_take(manager, QUEUE_DEFERRED, id, TAKE_ASKED | (insist ? TAKE_INSIST : 0))) {
    case TAKE_DONE: return FATE_STARTED;
    case TAKE_NOT_THERE: return FATE_ABSENT;
    case TAKE_NO_ROOM: break;
    }
    scan_request(manager->deferred, false);
    return FATE_WAITING;
}

static void serve_deliver(struct manager *manager, struct call *call, const struct qmgr_deliver *asked,
                          struct arena *arena)
{
    struct qmgr_delivering answer = {0};

    answer.busy.items = arena_alloc(arena, (asked->queue_ids.count + 1) * sizeof *answer.busy.items);
    for (size_t i = 0; i < asked->queue_ids.count; i++) {
        const char *id = asked->queue_ids.items[i];

        switch (deliver_now(manager, id, asked->suspended_too != 0)) {
        case FATE_STARTED: answer.started++; break;
        case FATE_WAITING: answer.waiting++; break;
        case FATE_BUSY: answer.busy.items[answer.busy.count++] = id; break;
        case FATE_ABSENT: answer.absent++; break;
        }
        task_yield();
    }
    ipc_send_last(call, &ipc_qmgr_delivering, &answer);
}

/* ---- suspending ---- */

static void serve_suspend(struct manager *manager, struct call *call, const struct qmgr_suspend *asked,
                          struct arena *arena)
{
    struct qmgr_suspensions answer = {.error = ""};
    struct error error;
    bool done = true;

    if (*asked->domain != '\0')
        done = asked->resume != 0 ? suspension_end(manager->suspensions, asked->domain, &error)
                                  : suspension_begin(manager->suspensions, asked->domain, asked->until, &error);
    if (!done)
        answer.error = error.text;
    suspensions_list(manager->suspensions, arena, &answer);
    ipc_send_last(call, &ipc_qmgr_suspensions, &answer);
}

/* ---- which ---- */

void request_serve(struct service_environment *environment, struct call *call)
{
    struct manager *manager = environment->state;
    struct arena *arena = arena_new();
    union {
        struct qmgr_new_message new_message;
        struct qmgr_deliver deliver;
        struct qmgr_suspend suspend;
    } told;
    struct frame frame;

    if (call_receive(call, &frame, deadline_in(environment->mail->ipc_timeout)) != CALL_OK) {
        arena_free(arena);
        return;
    }
    switch (frame.message) {
    case IPC_qmgr_new_message:
        if (ipc_decode(frame.body, frame.length, &ipc_qmgr_new_message, &told, arena))
            serve_new_message(manager, call, &told.new_message, arena);
        break;
    case IPC_qmgr_deliver:
        if (ipc_decode(frame.body, frame.length, &ipc_qmgr_deliver, &told, arena))
            serve_deliver(manager, call, &told.deliver, arena);
        break;
    case IPC_qmgr_suspend:
        if (ipc_decode(frame.body, frame.length, &ipc_qmgr_suspend, &told, arena))
            serve_suspend(manager, call, &told.suspend, arena);
        break;
    default: break;
    }
    arena_free(arena);
}
