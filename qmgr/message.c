#include "qmgr/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "mail/address/address.h"
#include "mail/address/match_list.h"
#include "mail/delivery/delivery.h"
#include "qmgr/deliver.h"
#include "qmgr/finish.h"
#include "qmgr/linger.h"
#include "qmgr/suspension.h"
#include "qmgr/transport.h"
#include "util/base/memory.h"

#define FIRST_LOOK (1 * SECONDS) /* at a message whose delivery began before this process */

/* ---- recipients to entries ---- */

/* The entries of a batch, one list for each destination: message -> destinations -> entries. */
struct batch {
    struct message *message;
    struct map *open;      /* destination name with transport -> entry that takes more */
    struct entry **entries;
    size_t count;
};

/* "undeliverable postmaster notification": the end of the line for a bounce of a bounce. */
static bool is_double_bounce(const struct manager *manager, const char *address)
{
    const char *domain = address_domain(address), *sender = manager->mail->double_bounce_sender;
    size_t length = strlen(sender);

    return domain != NULL && (size_t)(domain - 1 - address) == length &&
           strncasecmp(address, sender, length) == 0 && string_equal_ignore_case(domain, manager->mail->myhostname);
}

static void drop_double_bounce(struct message *message, int fd, const struct message_recipient *recipient)
{
    struct delivery_result result = {.relay = "none", .dsn = "2.0.0",
                                     .reason = "undeliverable postmaster notification discarded"};
    int64_t now = clock_wall();
    struct delivery_times times = {.begun = now, .settled = now};

    delivery_log_line(message->id, recipient, message->envelope.arrival_time, message->active_time, &times, &result,
                      "sent", message->manager->mail);
    message_file_mark_done(fd, recipient->offset);
}

static struct entry *open_entry(struct batch *batch, struct destination *destination, const char *key,
                                const char *nexthop)
{
    struct message *message = batch->message;
    struct entry *entry = map_get(batch->open, key);

    if (entry != NULL && entry->count < (size_t)destination->transport->recipient_limit)
        return entry;
    entry = arena_alloc(message->arena, sizeof *entry);
    entry->message = message;
    entry->destination = destination;
    entry->nexthop = nexthop;
    entry->order = message->order;
    destination_hold(destination);
    map_set(batch->open, key, entry);
    batch->entries = memory_resize(batch->entries, (batch->count + 1) * sizeof(struct entry *));
    batch->entries[batch->count++] = entry;
    return entry;
}

/* Grows by doubling: most entries have one recipient. */
static void entry_append(struct entry *entry, struct message_recipient *recipient)
{
    bool full = (entry->count & (entry->count - 1)) == 0;

    if (full) {
        struct message_recipient **grown =
            arena_alloc(entry->message->arena, (entry->count == 0 ? 1 : entry->count * 2) * sizeof *grown);

        if (entry->count > 0)
            memcpy(grown, entry->recipients, entry->count * sizeof *grown);
        entry->recipients = grown;
    }
    entry->recipients[entry->count++] = recipient;
}

/* A content filter takes all mail, whatever its recipients; without a next hop, each domain's by itself. */
static void follow_filter(struct message *message, struct resolve_reply *reply)
{
    const char *filter = message->envelope.filter, *colon = strchr(filter, ':');
    const char *domain = address_domain(reply->recipient);

    if (*filter == '\0')
        return;
    reply->transport = colon != NULL ? arena_copy_bytes(message->arena, filter, (size_t)(colon - filter)) : filter;
    if (colon != NULL && colon[1] != '\0')
        reply->nexthop = colon + 1;
    else
        reply->nexthop = domain != NULL ? domain : message->manager->mail->myhostname;
}

/* REDIRECT: somebody else gets it all. */
static void follow_redirect(struct message *message, struct message_recipient *recipient)
{
    if (*message->envelope.redirect == '\0')
        return;
    if (*recipient->original == '\0')
        recipient->original = recipient->address;
    recipient->address = message->envelope.redirect;
}

/* One recipient's transport and next hop; what cannot be resolved now is deferred here. False: it was. */
static bool resolve(struct message *message, struct message_recipient *recipient, struct resolve_reply *reply)
{
    struct manager *manager = message->manager;
    struct error error;

    follow_redirect(message, recipient);
    if (!resolve_client_ask(manager->resolve, message->envelope.sender, recipient->address, message->arena, reply,
                            &error)) {
        log_warning(&message->log, "%s", error.text);
        deliver_defer(message, &recipient, 1, "4.3.0", "address resolver failure");
        return false;
    }
    if ((reply->flags & RESOLVE_FAILED) != 0) {
        deliver_defer(message, &recipient, 1, "4.3.0", "address resolver failure");
        return false;
    }
    follow_filter(message, reply);
    if (!message->asked && (message->mode & QUEUE_BIT_UNTHROTTLE) == 0 &&
        match_list_string(manager->defer_transports, reply->transport, &error) == MATCH_YES) {
        deliver_defer(message, &recipient, 1, "4.3.2", "deferred transport");
        return false;
    }
    return true;
}

static void place(struct batch *batch, struct message_recipient *recipient, const struct resolve_reply *reply)
{
    struct message *message = batch->message;
    struct transport *transport = transport_find(message->manager, reply->transport);
    bool alone = transport->recipient_limit == 1;
    const char *name = alone ? reply->recipient : reply->nexthop;
    struct destination *destination = destination_find(transport, name);
    const char *key = arena_format(message->arena, "%s\n%s", reply->transport, name);
    const char *dsn, *reason = suspension_reason(message, recipient, reply->nexthop);

    if (reason != NULL) {
        deliver_defer(message, &recipient, 1, SUSPENSION_DSN, arena_copy(message->arena, reason));
        return;
    }
    if (*reply->recipient != '\0' && strcmp(reply->recipient, recipient->address) != 0) {
        recipient->original = *recipient->original != '\0' ? recipient->original : recipient->address;
        recipient->address = reply->recipient;
    }
    if ((message->mode & QUEUE_BIT_UNTHROTTLE) != 0)
        destination_revive(destination);
    if (destination_is_dead(destination, &dsn, &reason))
        deliver_defer(message, &recipient, 1, arena_copy(message->arena, dsn), arena_copy(message->arena, reason));
    else
        entry_append(open_entry(batch, destination, key, reply->nexthop), recipient);
}

/* Hands the entries to their destinations. While it does, the message holds a reservation of its own. */
static void submit(struct batch *batch)
{
    struct message *message = batch->message;

    message->pending += batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        const struct transport *transport = batch->entries[i]->destination->transport;

        batch->entries[i]->large = batch->count >= (size_t)(transport->slot_cost * transport->minimum_slots);
        if (suspension_spare(batch->entries[i])) /* one may have begun since the entries were made */
            destination_add(batch->entries[i]->destination, batch->entries[i]);
    }
}

static size_t batch_size(const struct manager *manager)
{
    size_t limit = (size_t)manager->config->qmgr_message_recipient_limit;
    size_t least = (size_t)manager->config->qmgr_message_recipient_minimum;
    size_t left = manager->recipients < limit ? limit - manager->recipients : 0;

    return left > least ? left : least;
}

/* Where they go is asked for all at once, then each is put in its place. */
static void place_all(struct batch *batch, int fd, struct message_recipient *const *recipients, size_t count)
{
    struct message *message = batch->message;
    const char *addresses[RESOLVE_AT_ONCE];

    for (size_t i = 0; i < count; i++)
        addresses[i] = recipients[i]->address;
    if (count > 1 && *message->envelope.redirect == '\0')
        resolve_client_prepare(message->manager->resolve, message->envelope.sender, addresses, count);
    for (size_t i = 0; i < count; i++) {
        struct resolve_reply reply;

        if (is_double_bounce(message->manager, recipients[i]->address))
            drop_double_bounce(message, fd, recipients[i]);
        else if (resolve(message, recipients[i], &reply))
            place(batch, recipients[i], &reply);
    }
}

/* Reads the next recipients, up to `most`. More may be left. */
static size_t read_recipients(struct message *message, struct recipient_reader *reader,
                              struct message_recipient **recipients, size_t most)
{
    struct message_recipient *recipient = arena_alloc(message->arena, sizeof *recipient);
    size_t count = 0;

    while (count < most && recipient_reader_next(reader, message->arena, recipient)) {
        if (recipient->offset <= message->last_offset)
            continue;
        message->last_offset = recipient->offset;
        recipients[count++] = recipient;
        recipient = arena_alloc(message->arena, sizeof *recipient);
    }
    return count;
}

/* Reads the next recipients, as many as may be in memory, and puts them on their way. */
static void load_batch(struct message *message, int fd)
{
    struct manager *manager = message->manager;
    struct batch batch = {.message = message, .open = map_new()};
    struct recipient_reader *reader = recipient_reader_new(fd, &message->envelope);
    struct message_recipient *recipients[RESOLVE_AT_ONCE];
    size_t limit = batch_size(manager), taken = 0, count;

    do {
        size_t most = limit - taken < RESOLVE_AT_ONCE ? limit - taken : RESOLVE_AT_ONCE;

        count = read_recipients(message, reader, recipients, most);
        place_all(&batch, fd, recipients, count);
        taken += count;
    } while (count == RESOLVE_AT_ONCE);
    message->more_recipients = taken == limit; /* then there may be */
    recipient_reader_free(reader);
    manager->recipients += taken - message->in_memory;
    message->in_memory = taken;
    submit(&batch);
    map_free(batch.open);
    free(batch.entries);
}

/* ---- into the active queue ---- */

static struct message *message_new(struct manager *manager, const char *queue, const char *id)
{
    struct message *message = memory_new(sizeof *message);

    message->manager = manager;
    message->arena = arena_new();
    message->id = arena_copy(message->arena, id);
    message->queue = queue;
    message->log.identity = message->id;
    message->active_time = clock_wall();
    message->order = ++manager->messages_taken;
    message->pending = 1;
    map_set(manager->messages, id, message);
    return message;
}

/* Damaged files are kept for a person to look at; unfinished ones cannot be here. */
static void set_corrupt_aside(struct message *message, const char *reason)
{
    log_warning(&message->log, "%s: saved to the corrupt queue", reason);
    if (queue_move(message->manager->layout, message->id, message->queue, QUEUE_CORRUPT) != 0)
        log_warning(&message->log, "cannot move to %s: %s", QUEUE_CORRUPT, strerror(errno));
    message_forget(message);
}

static void start(struct message *message, int fd)
{
    bool damaged;
    struct error error;
    struct stat status;

    if (!message_envelope_read(fd, message->arena, &message->envelope, &damaged, &error)) {
        if (damaged) {
            set_corrupt_aside(message, error.text);
        } else {
            log_warning(&message->log, "%s", error.text);
            finish_later(message);
        }
        return;
    }
    message->trace_flags = strtol(message_attribute(&message->envelope.attributes, "trace_flags"), NULL, 10);
    if (fstat(fd, &status) == 0) {
        message->mode = status.st_mode;
        message->inode = status.st_ino;
        message->file_size = status.st_size;
    }
    log_info(&message->log, "from=<%s>, size=%lld, nrcpt=%zu (queue active)", message->envelope.sender,
             (long long)message->envelope.sizes.message_size, message->envelope.recipients_left);
    load_batch(message, fd);
    message_entry_done(message);
}

bool message_file_busy(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return true;
    flock(fd, LOCK_UN); /* the agents' turn */
    return false;
}

/* A delivery from before a restart of the queue manager may still be under way. Looks again, ever more seldom, until
 * its agent has ended. What it delivered it has marked. */
static void wait_until_free(void *argument)
{
    struct message *message = argument;
    duration wait = FIRST_LOOK, longest = message->manager->mail->minimal_backoff_time;

    while (task_sleep(wait) == WAIT_READY) {
        int fd = queue_file_open(message->manager->layout, message->queue, message->id, O_RDWR | O_CLOEXEC);
        bool ready = fd < 0 || !message_file_busy(fd);

        if (ready && fd < 0)
            message_forget(message); /* somebody took it away */
        else if (ready)
            start(message, fd);
        if (fd >= 0)
            close(fd);
        if (ready)
            return;
        wait = wait * 2 < longest ? wait * 2 : longest;
    }
}

/* The file, where it will be while the message is delivered. -1: it has gone, or cannot be had now: then a scan will find it
 * again. */
static int take_file(const struct manager *manager, const char *queue, const char *id, bool fresh)
{
    const char *place = fresh ? queue : QUEUE_ACTIVE;
    int fd;

    if (!fresh && queue_move(manager->layout, id, queue, QUEUE_ACTIVE) != 0)
        return -1;
    fd = queue_file_open(manager->layout, place, id, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        log_warning(NULL, "%s: open %s: %s", id, place, strerror(errno));
        if (!fresh)
            queue_move(manager->layout, id, QUEUE_ACTIVE, queue);
    }
    return fd;
}

enum take_result message_take(struct manager *manager, const char *queue, const char *id, unsigned flags)
{
    bool fresh = (flags & TAKE_FRESH) != 0;
    struct message *message;
    int fd;

    if (manager->active >= (size_t)manager->config->qmgr_message_active_limit)
        return TAKE_NO_ROOM;
    if (map_get(manager->messages, id) != NULL || (fd = take_file(manager, queue, id, fresh)) < 0)
        return TAKE_NOT_THERE;
    manager->active++;
    message = message_new(manager, fresh ? queue : QUEUE_ACTIVE, id);
    message->insist = (flags & TAKE_INSIST) != 0;
    message->asked = (flags & TAKE_ASKED) != 0;
    message->fresh = fresh;
    if (fresh)
        linger_add(message);
    if (strcmp(queue, QUEUE_DEFERRED) == 0)
        queue_remove(manager->layout, QUEUE_DEFER, id); /* the next try has reasons of its own */
    if (!fresh && message_file_busy(fd)) {
        log_info(&message->log, "skipped, still being delivered");
        task_start(wait_until_free, message);
    } else {
        start(message, fd);
    }
    close(fd);
    return TAKE_DONE;
}

/* ---- on the way ---- */

static void run_next_batch(void *argument)
{
    struct message *message = argument;
    int fd = queue_file_open(message->manager->layout, message->queue, message->id, O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        load_batch(message, fd);
        close(fd);
    } else {
        message->deferred++; /* somebody took the file away; finishing finds out */
        message->more_recipients = false;
    }
    message_entry_done(message);
}

static void run_finish(void *argument)
{
    message_finish(argument);
}

void message_entry_done(struct message *message)
{
    if (--message->pending > 0)
        return;
    message->pending = 1;
    task_start(message->more_recipients ? run_next_batch : run_finish, message);
}
