/* postqueue - lists and flushes the queue (postqueue(1)). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/queue_command.h"
#include "cli/queue_manager.h"
#include "cli/queue_print.h"
#include "mail/address/match_list.h"
#include "util/base/arena.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum mode { MODE_NONE, MODE_LIST, MODE_JSON, MODE_FLUSH, MODE_FLUSH_SITE, MODE_FLUSH_ID };

struct request {
    enum mode mode;
    const char *directory, *argument;
};

static void usage(void)
{
    die("usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site");
}

/* ---- who may ---- */

static void check_user(const struct queue_command *command, const char *parameter, const char *what)
{
    if (getuid() != 0)
        queue_command_check_user(command, parameter, what);
}

/* ---- listing ---- */

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
    struct queue_entry entry = {.queue_name = "", .queue_id = "", .sender = ""};
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

static void list_queue(struct queue_command *command, bool json)
{
    struct queue_print print = {.json = json, .long_ids = command->mail.enable_long_queue_ids};
    const struct queue_listing listing = queue_print_listing(&print);
    char *path = memory_format("public/%s", command->mail.showq_service_name);
    int fd;

    check_user(command, "authorized_mailq_users", "view the mail queue");
    fd = queue_command_connect(path);
    free(path);
    if (fd >= 0) {
        if (!read_list(fd, &listing))
            log_warning(NULL, "premature end-of-input from the showq service");
    } else if (geteuid() == 0) {
        log_warning(NULL, "Mail system is down -- accessing queue directly (Connect to the %s %s service: %s)",
                    command->mail.mail_name, command->mail.showq_service_name, strerror(errno));
        queue_listing_walk(command->layout, &listing);
    } else {
        die("Queue report unavailable - mail system is down (Connect to the %s %s service: %s)",
            command->mail.mail_name, command->mail.showq_service_name, strerror(errno));
    }
    queue_print_end(&print);
}

/* ---- flushing ---- */

static void flush_queue(struct queue_command *command)
{
    char *path = memory_format("public/%s", command->mail.queue_service_name);

    check_user(command, "authorized_flush_users", "flush the mail queue");
    if (!queue_command_trigger(path, "FADI"))
        die("Cannot flush mail queue - mail system is down");
    free(path);
}

static void ask_flush(struct queue_command *command, char kind, const char *what)
{
    char *path = memory_format("public/%s", command->mail.flush_service_name);
    char *request = memory_format("%c%s", kind, what);

    if (!queue_command_trigger(path, request)) {
        log_warning(NULL, "connect to %s: %s", path, strerror(errno));
        die("Cannot flush mail queue - mail system is down");
    }
    free(request);
    free(path);
}

/* Deferred mail, tried now; other mail is left alone. What is not deferred needs no words. */
static void flush_id(struct queue_command *command, const char *id)
{
    struct qmgr_deliver question = {.queue_ids = {&id, 1}, .suspended_too = getuid() == 0};
    struct qmgr_delivering answer;
    struct arena *arena = arena_new();
    struct error error;

    check_user(command, "authorized_flush_users", "flush the mail queue");
    if (!queue_command_id_plausible(id))
        die("Cannot flush queue ID - invalid name: \"%s\"", id);
    if (!queue_manager_ask(command, &ipc_qmgr_deliver, &question, &ipc_qmgr_delivering, &answer, arena, &error)) {
        log_warning(NULL, "%s", error.text);
        die("Cannot flush mail queue - mail system is down");
    }
    if (answer.busy.count > 0)
        log_warning(NULL, "%s: is being delivered", id);
    arena_free(arena);
}

static void flush_site(struct queue_command *command, const char *site)
{
    struct error error;
    struct match_list *domains = match_list_new(config_get(command->config, "fast_flush_domains"), MATCH_SUBDOMAINS,
                                                &error);

    check_user(command, "authorized_flush_users", "flush the mail queue");
    if (*site == '\0')
        die("Cannot flush mail queue - invalid destination: \"%s\"", site);
    if (domains == NULL)
        die("fast_flush_domains: %s", error.text);
    if (match_list_domain(domains, site, &error) != MATCH_YES)
        die("Flush service is not configured for destination \"%s\"", site);
    match_list_free(domains);
    ask_flush(command, 'S', site);
}

/* ---- options ---- */

static void choose(struct request *request, enum mode mode, const char *argument)
{
    if (request->mode != MODE_NONE)
        usage();
    request->mode = mode;
    request->argument = argument;
}

static void take_option(struct request *request, int option)
{
    switch (option) {
    case 'c': request->directory = optarg; break;
    case 'f': choose(request, MODE_FLUSH, NULL); break;
    case 'i': choose(request, MODE_FLUSH_ID, optarg); break;
    case 'j': choose(request, MODE_JSON, NULL); break;
    case 'p': choose(request, MODE_LIST, NULL); break;
    case 's': choose(request, MODE_FLUSH_SITE, optarg); break;
    case 'v':
        if (getuid() == 0)
            log_set_verbosity(log_verbosity() + 1);
        break;
    default: usage();
    }
}

static void run(struct queue_command *command, const struct request *request)
{
    switch (request->mode) {
    case MODE_LIST: list_queue(command, false); break;
    case MODE_JSON: list_queue(command, true); break;
    case MODE_FLUSH: flush_queue(command); break;
    case MODE_FLUSH_SITE: flush_site(command, request->argument); break;
    case MODE_FLUSH_ID: flush_id(command, request->argument); break;
    case MODE_NONE: usage();
    }
}

int main(int argc, char **argv)
{
    struct queue_command command;
    struct request request = {0};
    int option;

    queue_command_start(&command, "postqueue", argv);
    log_set_exit_status(EX_UNAVAILABLE);
    while ((option = getopt(argc, argv, "c:fi:jps:v")) > 0)
        take_option(&request, option);
    if (optind < argc)
        usage();
    queue_command_configure(&command, request.directory);
    queue_command_enter_queue(&command);
    run(&command, &request);
    queue_command_end(&command);
    return fflush(stdout) == 0 ? 0 : EX_IOERR;
}
