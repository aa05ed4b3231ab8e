#include "qmgr/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/delivery/delivery.h"
#include "qmgr/linger.h"
#include "qmgr/spares.h"

void message_forget(struct message *message)
{
    struct manager *manager = message->manager;

    linger_end(message);
    map_remove(manager->messages, message->id);
    manager->active--;
    manager->recipients -= message->in_memory;
    arena_free(message->arena);
    free(message);
    task_condition_wake_one(&manager->room);
}

/* ---- reports ---- */

static bool has_log(const struct message *message, const char *queue)
{
    char path[QUEUE_PATH_SIZE];

    if (message->fresh && !message->recorded)
        return false;
    return access(queue_path(message->manager->layout, queue, message->id, path), F_OK) == 0;
}

/* False: the report could not be queued, and what it is about must wait. */
static bool report(struct message *message, const char *service, enum bounce_kind kind)
{
    const struct message_envelope *envelope = &message->envelope;
    struct bounce_flush flush = {.queue_name = message->queue,
                                 .queue_id = message->id,
                                 .sender = envelope->sender,
                                 .dsn_envid = envelope->dsn_envid,
                                 .dsn_ret = envelope->dsn_ret,
                                 .encoding = envelope->encoding,
                                 .sendopts = envelope->sizes.sendopts,
                                 .kind = kind,
                                 .arrival_time = envelope->arrival_time};
    struct error error;

    if (delivery_flush(service, &flush, message->arena, &error))
        return true;
    log_warning(&message->log, "%s: %s", service, error.text);
    return false;
}

/* ---- how long it is kept ---- */

static duration age(const struct message *message)
{
    duration length = clock_wall() - message->envelope.arrival_time;

    return length > 0 ? length : 0;
}

/* NULL: not yet. */
static const char *expiry(const struct message *message)
{
    const struct mail_config *mail = message->manager->mail;
    duration lifetime =
        *message->envelope.sender != '\0' ? mail->maximal_queue_lifetime : mail->bounce_queue_lifetime;

    if ((message->mode & QUEUE_BIT_EXPIRE) != 0)
        return "force-expired";
    return age(message) >= lifetime ? "expired" : NULL;
}

static void move_to_deferred(struct message *message, duration wait)
{
    struct manager *manager = message->manager;
    struct timespec times[2];
    char path[QUEUE_PATH_SIZE];

    times[0].tv_sec = 0;
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = (time_t)((clock_wall() + wait) / SECONDS);
    times[1].tv_nsec = 0;
    queue_path(manager->layout, message->queue, message->id, path);
    if (utimensat(AT_FDCWD, path, times, 0) != 0 ||
        ((message->mode & (QUEUE_BIT_UNTHROTTLE | QUEUE_BIT_EXPIRE)) != 0 && chmod(path, QUEUE_MODE_READY) != 0) ||
        queue_move(manager->layout, message->id, message->queue, QUEUE_DEFERRED) != 0) {
        if (errno != ENOENT) /* somebody deleted it: that is their right */
            log_warning(&message->log, "cannot defer %s: %s", path, strerror(errno));
    }
}

void finish_later(struct message *message)
{
    move_to_deferred(message, message->manager->mail->minimal_backoff_time);
    message_forget(message);
}

static void defer(struct message *message)
{
    const struct mail_config *mail = message->manager->mail;
    duration wait = age(message);

    if (wait < mail->minimal_backoff_time)
        wait = mail->minimal_backoff_time;
    if (wait > mail->maximal_backoff_time)
        wait = mail->maximal_backoff_time;
    move_to_deferred(message, wait);
}

/* Once a message, when it is late: the file remembers that it was done. */
static void warn_of_delay(struct message *message)
{
    int64_t due = message->envelope.warn_time;
    int fd;

    if (due == 0 || clock_wall() / SECONDS < due || !report(message, "defer", BOUNCE_WARNING))
        return;
    fd = queue_file_open(message->manager->layout, message->queue, message->id, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    message_file_set_warn_time(fd, message->envelope.warn_offset, 0);
    close(fd);
}

static void remove_message(struct message *message)
{
    struct manager *manager = message->manager;

    if (!message->fresh || message->deferred > 0)
        queue_remove(manager->layout, QUEUE_DEFER, message->id);
    if (spares_keep(manager->spares, message) || queue_remove(manager->layout, message->queue, message->id) == 0)
        log_info(&message->log, "removed");
    else if (errno != ENOENT)
        log_warning(&message->log, "cannot remove: %s", strerror(errno));
}

/* `sendmail -v` asks for a report of the first try, not of each. */
static void forget_trace_flags(struct message *message)
{
    int fd = queue_file_open(message->manager->layout, message->queue, message->id, O_RDWR);

    if (fd < 0)
        return;
    if (!message_file_kill_attribute(fd, "trace_flags"))
        log_warning(&message->log, "cannot change trace_flags: %s", strerror(errno));
    close(fd);
}

/* Reports first: only when they are queued may the message go. */
static bool send_reports(struct message *message)
{
    bool sent = true, traced = message->trace_flags != 0;

    if (has_log(message, QUEUE_BOUNCE))
        sent = report(message, "bounce", BOUNCE_FAILURE);
    if (sent && has_log(message, QUEUE_TRACE))
        sent = report(message, "trace", traced ? BOUNCE_VERIFY : BOUNCE_SUCCESS);
    if (sent && traced && message->deferred > 0)
        forget_trace_flags(message);
    return sent;
}

/* postsuper may have changed what is wanted of the file, or taken it. False: it is not here any more; where it is
 * nowhere, nobody else will take its logs away. */
static bool look_again(struct message *message)
{
    static const char *const elsewhere[] = {QUEUE_HOLD, QUEUE_MAILDROP, QUEUE_DEFERRED, QUEUE_INCOMING, NULL};
    static const char *const logs[] = {QUEUE_DEFER, QUEUE_BOUNCE, QUEUE_TRACE};
    const struct queue_layout *layout = message->manager->layout;
    char path[QUEUE_PATH_SIZE];
    struct stat status;

    if (message->fresh && message->deferred == 0 && !message->recorded)
        return true; /* nothing of it matters any more */
    if (stat(queue_path(layout, message->queue, message->id, path), &status) == 0) {
        message->mode = status.st_mode;
        return true;
    }
    if (errno != ENOENT)
        return true;
    if (queue_find(layout, message->id, elsewhere, &status) == NULL)
        for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
            queue_remove(layout, logs[i], message->id);
    return false;
}

void message_finish(struct message *message)
{
    const char *expired;

    linger_end(message);
    if (!look_again(message)) {
        message_forget(message);
        return;
    }
    if (!send_reports(message)) {
        defer(message);
    } else if (message->deferred == 0) {
        remove_message(message);
    } else if ((expired = expiry(message)) != NULL) {
        log_info(&message->log, "from=<%s>, status=%s, returned to sender", message->envelope.sender, expired);
        if (report(message, "defer", BOUNCE_FAILURE))
            remove_message(message);
        else
            defer(message);
    } else {
        warn_of_delay(message);
        defer(message);
    }
    message_forget(message);
}
