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

/* A message as it is read; values are kept until its end. */
struct reading {
    FILE *stream;
    char *name, *value;
    size_t name_room, value_room;
    struct arena *arena;
    struct listed_message message;
    struct listed_recipient *recipients; /* its last one is being read */
    size_t room;
};

static const struct listed_recipient no_recipient = {"", "", "", ""};

static void take_entry_attribute(struct listed_message *message, const char *name, const char *value)
{
    if (string_equal(name, "queue_name"))
        message->queue_name = value;
    else if (string_equal(name, "queue_id"))
        message->queue_id = value;
    else if (string_equal(name, "time"))
        message->arrival_time = strtoll(value, NULL, 10);
    else if (string_equal(name, "size"))
        message->size = strtoll(value, NULL, 10);
    else if (string_equal(name, "forced_expire"))
        message->forced_expire = string_equal(value, "1");
    else if (string_equal(name, "sender"))
        message->sender = value;
}

static struct listed_recipient *next_recipient(struct reading *reading)
{
    if (reading->message.recipient_count == reading->room) {
        reading->room = reading->room > 0 ? 2 * reading->room : 16;
        reading->recipients = memory_resize(reading->recipients, reading->room * sizeof *reading->recipients);
    }
    reading->recipients[reading->message.recipient_count] = no_recipient;
    return &reading->recipients[reading->message.recipient_count++];
}

/* `original_recipient` is a recipient's first attribute. */
static void take_attribute(struct reading *reading)
{
    const char *name = reading->name, *value = arena_copy(reading->arena, reading->value);
    struct listed_recipient *recipient = NULL;

    if (string_equal(name, "original_recipient"))
        recipient = next_recipient(reading);
    else if (reading->message.recipient_count > 0)
        recipient = &reading->recipients[reading->message.recipient_count - 1];
    if (recipient == NULL)
        take_entry_attribute(&reading->message, name, value);
    else if (string_equal(name, "original_recipient"))
        recipient->original = value;
    else if (string_equal(name, "recipient"))
        recipient->address = value;
    else if (string_equal(name, "log_class"))
        recipient->log_class = value;
    else if (string_equal(name, "reason"))
        recipient->reason = value;
}

/* One message, or the announcement. *empty: it had no attributes. False: the stream ended within. */
static bool read_message(struct reading *reading, bool *empty)
{
    reading->message = (struct listed_message){.queue_name = "", .queue_id = "", .sender = "", .client_name = "",
                                               .client_address = ""};
    arena_clear(reading->arena);
    *empty = true;
    while (next_string(reading->stream, &reading->name, &reading->name_room)) {
        if (*reading->name == '\0') {
            reading->message.recipients = reading->recipients;
            return true;
        }
        if (!next_string(reading->stream, &reading->value, &reading->value_room))
            return false;
        if (string_equal(reading->name, "protocol") && !string_equal(reading->value, QUEUE_LISTING_PROTOCOL))
            die("showq does not speak the protocol %s", QUEUE_LISTING_PROTOCOL);
        *empty = string_equal(reading->name, "protocol");
        take_attribute(reading);
    }
    return false;
}

static bool read_list(int fd, const struct queue_listing *listing)
{
    struct reading reading = {.stream = fdopen(fd, "r"), .arena = arena_new()};
    bool empty, good, first = true, wanted = true;

    while ((good = read_message(&reading, &empty)) && wanted && (first || !empty)) {
        if (!empty)
            wanted = listing->message(listing->context, &reading.message);
        first = false;
    }
    fclose(reading.stream);
    free(reading.name);
    free(reading.value);
    free(reading.recipients);
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

/* ---- selecting ---- */

struct filter {
    const struct queue_selection *selection;
    const struct queue_listing *listing;
};

static bool pass_selected(void *context, const struct listed_message *message)
{
    const struct filter *filter = context;
    struct error failure = {""};
    bool wanted = !queue_selection_suits(filter->selection, message, &failure) ||
                  filter->listing->message(filter->listing->context, message);

    if (*failure.text != '\0')
        log_warning(NULL, "%s", failure.text);
    return wanted;
}

void queue_source_read(const struct queue_command *command, const struct queue_selection *selection,
                       const struct queue_listing *listing)
{
    struct filter filter = {selection, listing};
    const struct queue_listing through = {pass_selected, &filter};

    if (queue_selection_is_empty(selection))
        read_showq(command, listing);
    else
        read_selected(command, selection, &through);
}
