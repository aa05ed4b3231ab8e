#include "mail/delivery/delivery.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "mail/queue/queue.h"

/* The queue manager holds its exclusive lock for an instant only. */
enum { LOCK_ATTEMPTS = 20, LOCK_PAUSE_MILLISECONDS = 20 };

/* ---- beginning ---- */

static bool parse_number(const char *string, int64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoll(string, &end, 10);
    return errno == 0 && end != string && *end == '\0' && *number >= 0;
}

static bool fill_recipients(struct delivery *delivery)
{
    const struct delivery_request *request = &delivery->request;
    size_t count = request->rcpt_address.count;

    if (request->rcpt_original.count != count || request->rcpt_dsn_orig_rcpt.count != count ||
        request->rcpt_dsn_notify.count != count || request->rcpt_offset.count != count)
        return false;
    delivery->recipients = arena_alloc(delivery->arena, count * sizeof *delivery->recipients);
    delivery->settled = arena_alloc(delivery->arena, count * sizeof *delivery->settled);
    delivery->recipient_count = count;
    for (size_t i = 0; i < count; i++) {
        struct message_recipient *recipient = &delivery->recipients[i];
        int64_t notify;

        recipient->address = request->rcpt_address.items[i];
        recipient->original = request->rcpt_original.items[i];
        recipient->dsn_orig_rcpt = request->rcpt_dsn_orig_rcpt.items[i];
        if (!parse_number(request->rcpt_dsn_notify.items[i], &notify) ||
            !parse_number(request->rcpt_offset.items[i], &recipient->offset))
            return false;
        recipient->dsn_notify = (int)(notify & (DSN_NOTIFY_NEVER | DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE |
                                                DSN_NOTIFY_DELAY));
    }
    return true;
}

/* Shared with the other agents at work on the message. False: errno. */
static bool lock_file(int fd)
{
    for (int attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
        if (flock(fd, LOCK_SH | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK || task_sleep(LOCK_PAUSE_MILLISECONDS * MILLISECONDS) != WAIT_READY)
            break;
    }
    return false;
}

static bool has_name(const struct stat *opened, const char *path)
{
    struct stat named;

    return lstat(path, &named) == 0 && named.st_ino == opened->st_ino && named.st_dev == opened->st_dev;
}

/* postsuper may have moved or removed the file before the lock was had. */
static bool is_in_place(const struct delivery *delivery, const struct queue_layout *layout)
{
    const struct delivery_request *request = &delivery->request;
    char path[QUEUE_PATH_SIZE];
    struct stat opened;

    return fstat(delivery->fd, &opened) == 0 &&
           (has_name(&opened, queue_path(layout, request->queue_name, request->queue_id, path)) ||
            has_name(&opened, queue_path(layout, QUEUE_ACTIVE, request->queue_id, path)));
}

static bool open_and_lock(struct delivery *delivery, const struct queue_layout *layout, struct error *error)
{
    const struct delivery_request *request = &delivery->request;

    delivery->fd = queue_file_open(layout, request->queue_name, request->queue_id, O_RDWR);
    if (delivery->fd < 0 && errno == ENOENT) /* the queue manager may have moved it since */
        delivery->fd = queue_file_open(layout, QUEUE_ACTIVE, request->queue_id, O_RDWR);
    if (delivery->fd < 0)
        return error_set(error, "open %s %s: %s", request->queue_name, request->queue_id, strerror(errno));
    if (!lock_file(delivery->fd))
        return error_set(error, "lock %s %s: %s", request->queue_name, request->queue_id, strerror(errno));
    return is_in_place(delivery, layout) ||
           error_set(error, "%s %s: the message was taken away", request->queue_name, request->queue_id);
}

static bool open_file(struct delivery *delivery, struct error *error)
{
    if (!queue_id_valid(delivery->request.queue_id) || strchr(delivery->request.queue_name, '/') != NULL)
        return error_set(error, "bad queue ID in a delivery request");
    if (!open_and_lock(delivery, delivery->environment->layout, error))
        return false;
    /* A queue manager that started since found no lock, and takes the message for its own. */
    if (call_abandoned(delivery->call))
        return error_set(error, "the queue manager went away before the delivery began");
    return true;
}

static void answer(struct delivery *delivery)
{
    delivery->reply.deferred = (int64_t)delivery->deferred;
    ipc_send_last(delivery->call, &ipc_delivery_reply, &delivery->reply);
    if (delivery->fd >= 0)
        close(delivery->fd);
    arena_free(delivery->arena);
}

struct delivery *delivery_begin(struct service_environment *environment, struct call *call)
{
    struct arena *arena = arena_new();
    struct delivery *delivery = arena_alloc(arena, sizeof *delivery);
    struct error error;

    delivery->environment = environment;
    delivery->call = call;
    delivery->arena = arena;
    delivery->fd = -1;
    delivery->times.begun = clock_wall();
    if (!ipc_receive(call, &ipc_delivery_request, &delivery->request, arena,
                     deadline_in(environment->mail->ipc_timeout))) {
        arena_free(arena); /* nobody to answer to, or nothing that can be understood */
        return NULL;
    }
    call_drop_frame(call);
    delivery->log.identity = delivery->request.queue_id;
    if (!fill_recipients(delivery))
        error_set(&error, "damaged delivery request");
    else if (open_file(delivery, &error))
        return delivery;
    log_warning(&delivery->log, "%s", error.text);
    delivery->deferred = delivery->request.rcpt_address.count;
    answer(delivery);
    return NULL;
}

/* ---- settling ---- */

static bool is_probe(const struct delivery *delivery)
{
    return (delivery->request.flags & DELIVERY_PROBE) != 0;
}

static const char *first_digit(struct delivery *delivery, char digit, const char *dsn)
{
    char *changed = arena_copy(delivery->arena, dsn);

    *changed = digit;
    return changed;
}

static void start_settling(struct delivery *delivery, size_t index)
{
    assert(index < delivery->recipient_count && !delivery->settled[index]);
    delivery->settled[index] = true;
    delivery->times.settled = clock_wall();
}

static void log_result(const struct delivery *delivery, size_t index, const struct delivery_result *result,
                       const char *status)
{
    delivery_log_line(delivery->request.queue_id, &delivery->recipients[index], delivery->request.arrival_time,
                      delivery->request.active_time, &delivery->times, result, status, delivery->environment->mail);
}

static bool record(struct delivery *delivery, const char *service, size_t index, const char *action,
                   const struct delivery_result *result)
{
    struct error error;

    if (delivery_record(service, delivery->request.queue_id, delivery->request.arrival_time,
                        &delivery->recipients[index], action, result, delivery->arena, &error)) {
        if (service != delivery->environment->mail->defer_service_name)
            delivery->reply.recorded++;
        return true;
    }
    log_warning(&delivery->log, "%s", error.text);
    return false;
}

/* What the sender of `sendmail -v` or NOTIFY=SUCCESS reads. Mail does not wait for it. */
static void trace(struct delivery *delivery, size_t index, const char *action, const struct delivery_result *result)
{
    record(delivery, delivery->environment->mail->trace_service_name, index, action, result);
}

/* A recipient that cannot be marked gets the message again: the lesser evil. */
static void mark_done(struct delivery *delivery, size_t index)
{
    if (message_file_mark_done(delivery->fd, delivery->recipients[index].offset))
        return;
    log_warning(&delivery->log, "cannot mark recipient as done: %s", strerror(errno));
    delivery->deferred++;
}

void delivery_sent(struct delivery *delivery, size_t index, const struct delivery_result *result)
{
    bool wanted = (delivery->request.flags & DELIVERY_RECORD) != 0 ||
                  ((delivery->recipients[index].dsn_notify & DSN_NOTIFY_SUCCESS) != 0 && !result->peer_reports);

    start_settling(delivery, index);
    log_result(delivery, index, result, is_probe(delivery) ? "deliverable" : "sent");
    if (wanted)
        trace(delivery, index, is_probe(delivery) ? "deliverable" : result->relayed ? "relayed" : "delivered", result);
    mark_done(delivery, index);
}

/* `status` is what the log says: "deferred" or "SOFTBOUNCE". */
static void settle_deferred(struct delivery *delivery, size_t index, const struct delivery_result *result,
                            const char *status)
{
    struct delivery_result deferred = *result;

    deferred.dsn = first_digit(delivery, '4', result->dsn);
    record(delivery, delivery->environment->mail->defer_service_name, index, "delayed", &deferred);
    if ((delivery->request.flags & DELIVERY_RECORD) != 0)
        trace(delivery, index, "delayed", &deferred);
    log_result(delivery, index, &deferred, status);
    delivery->deferred++;
}

/* A probe only looks: nothing is kept of what it saw but the log line. */
static void settle_probe(struct delivery *delivery, size_t index, const struct delivery_result *result)
{
    if ((delivery->request.flags & DELIVERY_RECORD) != 0)
        trace(delivery, index, "undeliverable", result);
    log_result(delivery, index, result, "undeliverable");
    mark_done(delivery, index);
}

void delivery_defer(struct delivery *delivery, size_t index, const struct delivery_result *result)
{
    start_settling(delivery, index);
    if (is_probe(delivery))
        settle_probe(delivery, index, result);
    else
        settle_deferred(delivery, index, result, "deferred");
}

static void settle_bounced(struct delivery *delivery, size_t index, const struct delivery_result *result)
{
    struct delivery_result bounced = *result;

    bounced.dsn = first_digit(delivery, '5', result->dsn);
    if ((delivery->recipients[index].dsn_notify & DSN_NOTIFY_NEVER) == 0 &&
        !record(delivery, delivery->environment->mail->bounce_service_name, index, "failed", &bounced)) {
        bounced.dsn = "4.3.0";
        bounced.reason = "bounce failed";
        settle_deferred(delivery, index, &bounced, "deferred");
        return;
    }
    if ((delivery->request.flags & DELIVERY_RECORD) != 0)
        trace(delivery, index, "failed", &bounced);
    log_result(delivery, index, &bounced, "bounced");
    mark_done(delivery, index);
}

void delivery_fail(struct delivery *delivery, size_t index, const struct delivery_result *result)
{
    start_settling(delivery, index);
    if (is_probe(delivery))
        settle_probe(delivery, index, result);
    else if (delivery->environment->mail->soft_bounce)
        settle_deferred(delivery, index, result, "SOFTBOUNCE");
    else
        settle_bounced(delivery, index, result);
}

void delivery_settle(struct delivery *delivery, size_t index, const struct delivery_result *result)
{
    assert(strchr("245", *result->dsn) != NULL && *result->dsn != '\0');
    if (*result->dsn == '2')
        delivery_sent(delivery, index, result);
    else if (*result->dsn == '4')
        delivery_defer(delivery, index, result);
    else
        delivery_fail(delivery, index, result);
}

/* ---- ending ---- */

void delivery_site_failed(struct delivery *delivery, enum delivery_status status, const char *dsn, const char *reason)
{
    delivery->reply.status = status;
    delivery->reply.dsn = arena_copy(delivery->arena, dsn);
    delivery->reply.reason = arena_copy(delivery->arena, reason);
}

void delivery_end(struct delivery *delivery)
{
    const struct delivery_result interrupted = {.dsn = "4.3.0", .reason = "delivery was interrupted"};

    for (size_t i = 0; i < delivery->recipient_count; i++)
        if (!delivery->settled[i])
            delivery_defer(delivery, i, &interrupted);
    answer(delivery);
}
