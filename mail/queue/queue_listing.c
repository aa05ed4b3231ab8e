#include "mail/queue/queue_listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mail/address/address.h"
#include "mail/queue/delivery_log.h"
#include "mail/queue/queue_sweep.h"
#include "mail/queue/record.h"
#include "util/base/map.h"
#include "util/base/memory.h"

enum { FEW = 16, SETTLED = 2 }; /* SETTLED: seconds; a file's time of change is not exact */

const char *const queue_listing_queues[] = {QUEUE_MAILDROP, QUEUE_ACTIVE, QUEUE_INCOMING, QUEUE_DEFERRED, QUEUE_HOLD,
                                            NULL};

/* ---- which messages have a bounce log: hardly any, so that looking for each would be most of what is looked for ---- */

struct queue_lister {
    const struct queue_layout *layout;
    struct map *bounced;
    time_t made;
};

struct queue_lister *queue_lister_new(const struct queue_layout *layout)
{
    struct queue_lister *lister = memory_new(sizeof *lister);
    struct queue_scan *scan;
    const char *id;

    lister->layout = layout;
    lister->bounced = map_new();
    lister->made = time(NULL);
    scan = queue_scan_open(QUEUE_BOUNCE);
    while (scan != NULL && (id = queue_scan_next(scan)) != NULL)
        map_set(lister->bounced, id, lister);
    queue_scan_close(scan);
    return lister;
}

void queue_lister_free(struct queue_lister *lister)
{
    if (lister == NULL)
        return;
    map_free(lister->bounced);
    free(lister);
}

/* What is written while a message is delivered was not all there when the lister was made. */
static bool may_have_bounced(const struct queue_lister *lister, const char *queue, const char *id,
                             const struct stat *file)
{
    return queue_is_in_hand(queue) || file->st_ctime > lister->made - SETTLED ||
           map_get(lister->bounced, id) != NULL;
}

/* ---- one message ---- */

/* A message while it is looked at. */
struct look {
    struct arena *arena;
    struct listed_message message;
    int64_t data_offset;
    const char *original; /* of the recipient that comes next */
    struct listed_recipient *recipients;
    size_t count, room;
};

static const char *external(struct arena *arena, const char *address)
{
    struct text text = {0};
    const char *copy;

    address_quote(address, &text);
    copy = arena_copy(arena, text_string(&text));
    text_free(&text);
    return copy;
}

static void keep_recipient(struct look *look, struct listed_recipient recipient)
{
    if (look->count == look->room) {
        struct listed_recipient *larger;

        look->room = look->room > 0 ? 2 * look->room : 4;
        larger = arena_alloc(look->arena, look->room * sizeof *larger);
        if (look->count > 0)
            memcpy(larger, look->recipients, look->count * sizeof *larger);
        look->recipients = larger;
    }
    look->recipients[look->count++] = recipient;
}

static void take_attribute(struct look *look, const char *attribute)
{
    static const char name[] = "log_client_name=", address[] = "log_client_address=";

    if (string_starts(attribute, name))
        look->message.client_name = arena_copy(look->arena, attribute + sizeof name - 1);
    else if (string_starts(attribute, address))
        look->message.client_address = arena_copy(look->arena, attribute + sizeof address - 1);
}

static void take_sizes(struct look *look, const char *data)
{
    char *end;
    long long size = strtoll(data, &end, 10), offset = strtoll(end, NULL, 10);

    if (size < 0 || offset <= 0 || size >= INT64_MAX - offset)
        return;
    look->message.size = size;
    look->data_offset = offset;
}

/* One record of the envelope. The content is passed over when the size record knows how long it is. */
static void take_record(struct look *look, struct record_reader *reader, const struct record *record)
{
    switch (record->type) {
    case RECORD_SIZE: take_sizes(look, record->data); break;
    case RECORD_TIME: look->message.arrival_time = strtoll(record->data, NULL, 10); break;
    case RECORD_SENDER:
        look->message.sender = *record->data != '\0' ? external(look->arena, record->data) : "MAILER-DAEMON";
        break;
    case RECORD_ATTRIBUTE: take_attribute(look, record->data); break;
    case RECORD_ORIGINAL: look->original = external(look->arena, record->data); break;
    case RECORD_RECIPIENT:
        keep_recipient(look, (struct listed_recipient){look->original, external(look->arena, record->data), "", ""});
        look->original = "";
        break;
    case RECORD_DONE: look->original = ""; break;
    case RECORD_MESSAGE:
        if (look->data_offset > 0)
            record_reader_seek(reader, (off_t)(look->data_offset + look->message.size));
        break;
    default: break;
    }
}

static bool read_file(struct look *look, int fd)
{
    struct record_reader *reader = record_reader_new(fd, 0);
    struct record record;
    bool ended = false;

    look->original = "";
    while (!ended && record_read_logical(reader, &record) == RECORD_OK) {
        take_record(look, reader, &record);
        ended = record.type == RECORD_END;
    }
    record_reader_free(reader);
    return ended && look->message.sender != NULL;
}

/* ---- logs ---- */

/* Without a new time of access, which would be written to the disk; that is only for the owner of a file to ask. */
static int open_to_list(const struct queue_lister *lister, const char *queue, const char *id)
{
    int fd = queue_file_open(lister->layout, queue, id, O_RDONLY | O_NONBLOCK | O_NOATIME);

    return fd < 0 && errno == EPERM ? queue_file_open(lister->layout, queue, id, O_RDONLY | O_NONBLOCK) : fd;
}

static void take_log(struct look *look, const struct queue_lister *lister, const char *queue)
{
    struct delivery_log log;
    struct bounce_append line;
    int fd = open_to_list(lister, queue, look->message.queue_id);
    bool readable = fd >= 0 && delivery_log_read(fd, look->arena, &log);

    if (fd >= 0)
        close(fd);
    while (readable && delivery_log_next(&log, look->arena, &line))
        keep_recipient(look, (struct listed_recipient){
                                 .original = external(look->arena, line.original),
                                 .address = *line.recipient != '\0' ? external(look->arena, line.recipient)
                                                                    : "(recipient address unavailable)",
                                 .log_class = queue,
                                 .reason = *line.reason != '\0' ? line.reason : "(description unavailable)",
                             });
}

static bool is_among(const struct listed_recipient *recipients, size_t count, const char *address)
{
    for (size_t i = 0; i < count; i++)
        if (string_equal(recipients[i].address, address))
            return true;
    return false;
}

/* Those that no log knows, behind those of the logs. */
static void add_unlogged(struct look *look, const struct listed_recipient *own, size_t count)
{
    size_t logged = look->count;
    struct map *addresses = logged > FEW ? map_new() : NULL;

    for (size_t i = 0; addresses != NULL && i < logged; i++)
        map_set(addresses, look->recipients[i].address, look);
    for (size_t i = 0; i < count; i++) {
        bool known = addresses != NULL ? map_get(addresses, own[i].address) != NULL
                                       : is_among(look->recipients, logged, own[i].address);

        if (!known)
            keep_recipient(look, own[i]);
    }
    map_free(addresses);
}

static void add_logs(struct look *look, const struct queue_lister *lister, const struct stat *file)
{
    const struct listed_recipient *own = look->recipients;
    size_t count = look->count;

    look->recipients = NULL;
    look->count = look->room = 0;
    if (may_have_bounced(lister, look->message.queue_name, look->message.queue_id, file))
        take_log(look, lister, QUEUE_BOUNCE);
    take_log(look, lister, QUEUE_DEFER);
    if (look->count > 0) {
        add_unlogged(look, own, count);
        look->message.recipients = look->recipients;
        look->message.recipient_count = look->count;
    } else {
        look->message.recipients = own;
        look->message.recipient_count = count;
    }
}

/* ---- files ---- */

/* The file of a message that has been delivered may be written over for another one (spare.h). */
static bool is_another_message(const struct queue_lister *lister, const char *queue, const char *id,
                               const struct stat *file)
{
    char path[QUEUE_PATH_SIZE];
    struct stat now;

    return queue_is_in_hand(queue) &&
           (lstat(queue_path(lister->layout, queue, id, path), &now) != 0 || now.st_ino != file->st_ino);
}

const struct listed_message *queue_lister_read(const struct queue_lister *lister, const char *queue, const char *id,
                                               struct arena *arena)
{
    struct look *look = arena_alloc(arena, sizeof *look);
    int fd = open_to_list(lister, queue, id);
    struct stat file;
    bool makes_sense = false;

    if (fd < 0)
        return NULL;
    *look = (struct look){
        .arena = arena,
        .message = {.queue_name = queue, .queue_id = id, .client_name = "", .client_address = ""},
    };
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && (file.st_mode & S_IXUSR) != 0) {
        look->message.size = file.st_size;
        look->message.arrival_time = file.st_mtime;
        look->message.forced_expire = (file.st_mode & QUEUE_BIT_EXPIRE) != 0;
        makes_sense = read_file(look, fd) && !is_another_message(lister, queue, id, &file);
    }
    close(fd);
    if (!makes_sense)
        return NULL;
    add_logs(look, lister, &file);
    return &look->message;
}

/* ---- all of them ---- */

struct walk {
    const struct queue_lister *lister;
    const struct queue_listing *listing;
};

static const void *walk_look(const void *context, const char *queue, const char *id, struct arena *arena)
{
    return queue_lister_read(((const struct walk *)context)->lister, queue, id, arena);
}

static bool walk_take(void *context, const char *queue, const char *id, const void *found)
{
    const struct queue_listing *listing = ((const struct walk *)context)->listing;

    (void)queue;
    (void)id;
    return listing->message(listing->context, found);
}

bool queue_listing_walk(const struct queue_layout *layout, const struct queue_listing *listing)
{
    struct queue_lister *lister = queue_lister_new(layout);
    struct walk walk = {lister, listing};
    const struct queue_sweep sweep = {.look = walk_look, .take = walk_take, .context = &walk};
    bool complete = true;

    for (const char *const *queue = queue_listing_queues; complete && *queue != NULL; queue++)
        complete = queue_sweep_run(&sweep, *queue);
    queue_lister_free(lister);
    return complete;
}
