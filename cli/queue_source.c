#include "cli/queue_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

/* ---- showq ---- */

/* Reads attributes up to the empty name. False at the end of the stream. */
static bool next_string(FILE *stream, char **string, size_t *room)
{
    return getdelim(string, room, '\0', stream) > 0;
}

/* An entry as it is read; values are kept until its end. */
struct reading {
    FILE *stream;
    const struct queue_listing *listing;
    char *name, *value;
    size_t name_room, value_room;
    struct arena *arena;
};

static void take_entry_attribute(struct reading *reading, struct queue_entry *entry)
{
    const char *value = reading->value;

    if (string_equal(reading->name, "queue_name"))
        entry->queue_name = arena_copy(reading->arena, value);
    else if (string_equal(reading->name, "queue_id"))
        entry->queue_id = arena_copy(reading->arena, value);
    else if (string_equal(reading->name, "time"))
        entry->arrival_time = strtoll(value, NULL, 10);
    else if (string_equal(reading->name, "size"))
        entry->size = strtoll(value, NULL, 10);
    else if (string_equal(reading->name, "forced_expire"))
        entry->forced_expire = string_equal(value, "1");
    else if (string_equal(reading->name, "sender"))
        entry->sender = arena_copy(reading->arena, value);
}

/* `reason` is a recipient's last attribute, `sender` the entry's. */
static void take_attribute(struct reading *reading, struct queue_entry *entry, struct queue_entry_recipient *recipient)
{
    static const struct queue_entry_recipient none = {"", "", "", ""};
    const char *value = arena_copy(reading->arena, reading->value);

    if (string_equal(reading->name, "original_recipient"))
        recipient->original = value;
    else if (string_equal(reading->name, "recipient"))
        recipient->address = value;
    else if (string_equal(reading->name, "log_class"))
        recipient->log_class = value;
    else if (string_equal(reading->name, "reason"))
        recipient->reason = value;
    else
        take_entry_attribute(reading, entry);
    if (string_equal(reading->name, "sender"))
        reading->listing->entry(reading->listing->context, entry);
    if (string_equal(reading->name, "reason")) {
        reading->listing->recipient(reading->listing->context, recipient);
        *recipient = none;
    }
}

/* One entry. *empty: it had no attributes. False: the stream ended within. */
static bool read_entry(struct reading *reading, bool *empty)
{
    struct queue_entry entry = {.queue_name = "", .queue_id = "", .sender = "", .client_name = "",
                                .client_address = ""};
    struct queue_entry_recipient recipient = {"", "", "", ""};

    *empty = true;
    while (next_string(reading->stream, &reading->name, &reading->name_room)) {
        if (*reading->name == '\0')
            return true;
        if (!next_string(reading->stream, &reading->value, &reading->value_room))
            return false;
        if (string_equal(reading->name, "protocol") && !string_equal(reading->value, QUEUE_LISTING_PROTOCOL))
            die("showq does not speak the protocol %s", QUEUE_LISTING_PROTOCOL);
        *empty = string_equal(reading->name, "protocol");
        take_attribute(reading, &entry, &recipient);
    }
    return false;
}

static bool read_list(int fd, const struct queue_listing *listing)
{
    struct reading reading = {.stream = fdopen(fd, "r"), .listing = listing, .arena = arena_new()};
    bool empty, good, first = true;

    while ((good = read_entry(&reading, &empty)) && (first || !empty)) {
        if (!empty)
            listing->entry_end(listing->context);
        first = false;
        arena_clear(reading.arena);
    }
    fclose(reading.stream);
    free(reading.name);
    free(reading.value);
    arena_free(reading.arena);
    return good;
}

/* ---- which source ---- */

static void read_files(const struct queue_command *command, const struct queue_listing *listing)
{
    if (!queue_listing_walk(command->layout, listing))
        log_warning(NULL, "the list is not complete");
}

static void read_showq(const struct queue_command *command, const struct queue_listing *listing)
{
    const struct mail_config *mail = &command->mail;
    char *path = memory_format("public/%s", mail->showq_service_name);
    int fd = queue_command_connect(path);

    free(path);
    if (fd >= 0) {
        if (!read_list(fd, listing))
            log_warning(NULL, "premature end-of-input from the showq service");
        return;
    }
    if (geteuid() != 0)
        die("Queue report unavailable - mail system is down (Connect to the %s %s service: %s)", mail->mail_name,
            mail->showq_service_name, strerror(errno));
    log_warning(NULL, "Mail system is down -- accessing queue directly (Connect to the %s %s service: %s)",
                mail->mail_name, mail->showq_service_name, strerror(errno));
    read_files(command, listing);
}

static void read_selected(const struct queue_command *command, const struct queue_selection *selection,
                          const struct queue_listing *listing)
{
    if (!queue_selection_needs_files(selection))
        read_showq(command, listing);
    else if (access(QUEUE_DEFERRED, R_OK | X_OK) == 0)
        read_files(command, listing);
    else
        die("--client: only the super-user and the owner of the queue may read the files that tell");
}

void queue_source_read(const struct queue_command *command, const struct queue_selection *selection,
                       const struct queue_listing *listing)
{
    struct queue_filter filter;
    struct queue_listing through;

    if (queue_selection_is_empty(selection)) {
        read_showq(command, listing);
        return;
    }
    queue_filter_start(&filter, selection, listing);
    through = queue_filter_listing(&filter);
    read_selected(command, selection, &through);
    queue_filter_end(&filter);
}
