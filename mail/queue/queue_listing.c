#include "mail/queue/queue_listing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/address/address.h"
#include "mail/queue/delivery_log.h"
#include "mail/queue/record.h"
#include "util/base/map.h"

/* One message while it is looked at. */
struct look {
    const struct queue_layout *layout;
    const struct queue_listing *listing;
    struct arena *arena;
    struct queue_entry entry;
    int64_t data_offset, message_size;
    const char *original; /* of the recipient that comes next */
    struct queue_entry_recipient *recipients;
    size_t count, room;
    struct map *logged;
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

static void keep_recipient(struct look *look, const char *address)
{
    if (look->count == look->room) {
        struct queue_entry_recipient *larger;

        look->room = look->room > 0 ? 2 * look->room : 8;
        larger = arena_alloc(look->arena, look->room * sizeof *larger);
        if (look->count > 0)
            memcpy(larger, look->recipients, look->count * sizeof *larger);
        look->recipients = larger;
    }
    look->recipients[look->count++] = (struct queue_entry_recipient){
        .original = look->original, .address = external(look->arena, address), .log_class = "", .reason = "",
    };
}

static void take_attribute(struct look *look, const char *attribute)
{
    static const char name[] = "log_client_name=", address[] = "log_client_address=";

    if (string_starts(attribute, name))
        look->entry.client_name = arena_copy(look->arena, attribute + sizeof name - 1);
    else if (string_starts(attribute, address))
        look->entry.client_address = arena_copy(look->arena, attribute + sizeof address - 1);
}

/* One record of the envelope. The content is passed over when the size record knows how long it is. */
static void take_record(struct look *look, struct record_reader *reader, const struct record *record)
{
    long long first = 0, second = 0;

    switch (record->type) {
    case RECORD_SIZE:
        if (sscanf(record->data, "%lld %lld", &first, &second) == 2 && first >= 0 && second > 0 &&
            first < INT64_MAX - second) {
            look->entry.size = look->message_size = first;
            look->data_offset = second;
        }
        break;
    case RECORD_TIME: look->entry.arrival_time = strtoll(record->data, NULL, 10); break;
    case RECORD_SENDER:
        look->entry.sender = *record->data != '\0' ? external(look->arena, record->data) : "MAILER-DAEMON";
        break;
    case RECORD_ATTRIBUTE: take_attribute(look, record->data); break;
    case RECORD_ORIGINAL: look->original = external(look->arena, record->data); break;
    case RECORD_RECIPIENT:
        keep_recipient(look, record->data);
        look->original = "";
        break;
    case RECORD_DONE: look->original = ""; break;
    case RECORD_MESSAGE:
        if (look->data_offset > 0)
            record_reader_seek(reader, (off_t)(look->data_offset + look->message_size));
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
    return ended && look->entry.sender != NULL;
}

/* ---- logs ---- */

static bool put_log(struct look *look, const char *queue)
{
    const struct queue_listing *listing = look->listing;
    char path[QUEUE_PATH_SIZE];
    struct bounce_append line;
    int fd = open(queue_path(look->layout, queue, look->entry.queue_id, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *log = fd >= 0 ? fdopen(fd, "r") : NULL;
    bool going_on = true;

    while (log != NULL && going_on && delivery_log_next(log, look->arena, &line)) {
        struct queue_entry_recipient recipient = {
            .original = external(look->arena, line.original),
            .address = external(look->arena, line.recipient),
            .log_class = queue,
            .reason = line.reason,
        };

        map_set(look->logged, recipient.address, look);
        going_on = listing->recipient(listing->context, &recipient);
    }
    if (log != NULL)
        fclose(log);
    else if (fd >= 0)
        close(fd);
    return going_on;
}

static bool put_unlogged(struct look *look)
{
    const struct queue_listing *listing = look->listing;

    for (size_t i = 0; i < look->count; i++)
        if (map_get(look->logged, look->recipients[i].address) == NULL &&
            !listing->recipient(listing->context, &look->recipients[i]))
            return false;
    return true;
}

static bool put_entry(struct look *look)
{
    const struct queue_listing *listing = look->listing;
    bool going_on;

    look->logged = map_new();
    going_on = listing->entry(listing->context, &look->entry) && put_log(look, QUEUE_BOUNCE) &&
               put_log(look, QUEUE_DEFER) && put_unlogged(look) && listing->entry_end(listing->context);
    map_free(look->logged);
    return going_on;
}

/* ---- files ---- */

bool queue_listing_file(const struct queue_layout *layout, const struct queue_listing *listing, const char *queue,
                        const char *id)
{
    struct look look = {
        .layout = layout,
        .listing = listing,
        .entry = {.queue_name = queue, .queue_id = id, .client_name = "", .client_address = ""},
    };
    int fd = queue_file_open(layout, queue, id, O_RDONLY | O_NONBLOCK);
    struct stat file;
    bool going_on = true;

    if (fd < 0)
        return true;
    look.arena = arena_new();
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && (file.st_mode & S_IXUSR) != 0) {
        look.entry.size = file.st_size;
        look.entry.arrival_time = file.st_mtime;
        look.entry.forced_expire = (file.st_mode & QUEUE_BIT_EXPIRE) != 0;
        if (read_file(&look, fd))
            going_on = put_entry(&look);
    }
    arena_free(look.arena);
    close(fd);
    return going_on;
}

bool queue_listing_walk(const struct queue_layout *layout, const struct queue_listing *listing)
{
    static const char *const queues[] = {QUEUE_MAILDROP, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD};
    bool going_on = true;

    for (size_t i = 0; going_on && i < sizeof queues / sizeof *queues; i++) {
        struct queue_scan *scan = queue_scan_open(queues[i]);
        const char *id;

        while (going_on && scan != NULL && (id = queue_scan_next(scan)) != NULL)
            going_on = queue_listing_file(layout, listing, queues[i], id);
        queue_scan_close(scan);
    }
    return going_on;
}
