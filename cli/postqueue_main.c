/* postqueue - lists and flushes the queue, suspends destinations (postqueue(1)). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/queue_command.h"
#include "cli/queue_flush.h"
#include "cli/queue_print.h"
#include "cli/queue_source.h"
#include "cli/queue_suspend.h"
#include "cli/queue_tally.h"
#include "util/base/log.h"
#include "util/base/text.h"

enum mode {
    MODE_NONE,
    MODE_LIST,
    MODE_JSON,
    MODE_FLUSH,
    MODE_FLUSH_SITE,
    MODE_FLUSH_ID,
    MODE_OLDEST,
    MODE_TOP,
    MODE_SUSPEND,
    MODE_RESUME,
    MODE_SUSPENDED,
};

enum { OPTION_OLDEST = SELECT_END, OPTION_TOP, OPTION_JSON, OPTION_SUSPEND, OPTION_FOR, OPTION_RESUME, OPTION_SUSPENDED };

enum { TOP_ROWS = 10, OUTPUT_SIZE = 64 * 1024 };

static const struct option long_options[] = {
    QUEUE_SELECTION_OPTIONS,
    {"oldest", no_argument, NULL, OPTION_OLDEST},
    {"top", required_argument, NULL, OPTION_TOP},
    {"json", no_argument, NULL, OPTION_JSON},
    {"suspend", required_argument, NULL, OPTION_SUSPEND},
    {"for", required_argument, NULL, OPTION_FOR},
    {"resume", required_argument, NULL, OPTION_RESUME},
    {"suspended", no_argument, NULL, OPTION_SUSPENDED},
    {0},
};

struct request {
    enum mode mode;
    const char *directory, *argument;
    const char *word; /* what may follow --oldest and --top; NULL: nothing did */
    struct queue_selection *selection;
    bool json;
    duration length; /* of a suspension; 0: until it is resumed */
};

static void usage(void)
{
    die("usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site | "
        "postqueue --oldest [domain] | postqueue --top sender|recipient|domain|reason [number] | "
        "postqueue --suspend domain [--for time] | postqueue --resume domain | postqueue --suspended");
}

/* ---- listing ---- */

static void check_reader(const struct queue_command *command)
{
    if (getuid() != 0)
        queue_command_check_user(command, "authorized_mailq_users", "view the mail queue");
}

static void list_queue(const struct queue_command *command, const struct request *request)
{
    struct arena *arena = arena_new();
    struct map *suspended;
    struct queue_print print = {.json = request->mode == MODE_JSON,
                                .long_ids = command->mail.enable_long_queue_ids,
                                .selective = !queue_selection_is_empty(request->selection)};
    const struct queue_listing listing = queue_print_listing(&print);

    check_reader(command);
    print.suspended = suspended = queue_suspended(command, arena, false);
    queue_source_read(command, request->selection, &listing);
    queue_print_end(&print);
    map_free(suspended);
    arena_free(arena);
}

static void list_oldest(const struct queue_command *command, const struct request *request)
{
    struct arena *arena = arena_new();
    struct map *suspended;
    struct queue_tally tally;
    struct queue_listing listing;

    check_reader(command);
    queue_tally_start(&tally, TALLY_DOMAIN, request->word);
    listing = queue_tally_listing(&tally);
    suspended = queue_suspended(command, arena, false);
    queue_source_read(command, request->selection, &listing);
    queue_tally_print_oldest(&tally, request->json, suspended);
    queue_tally_end(&tally);
    map_free(suspended);
    arena_free(arena);
}

static void list_top(const struct queue_command *command, const struct request *request)
{
    enum tally_key key = queue_tally_key(request->argument);
    struct queue_tally tally;
    struct queue_listing listing;

    if (key == TALLY_KEYS || (request->word != NULL && !string_all_digits(request->word)))
        usage();
    check_reader(command);
    queue_tally_start(&tally, key, NULL);
    listing = queue_tally_listing(&tally);
    queue_source_read(command, request->selection, &listing);
    queue_tally_print_top(&tally, request->json, request->word != NULL ? strtoul(request->word, NULL, 10) : TOP_ROWS);
    queue_tally_end(&tally);
}

/* ---- suspending ---- */

static void check_suspender(const struct queue_command *command)
{
    if (!queue_command_may_suspend(command))
        queue_command_check_user(command, "authorized_suspend_users", "suspend destinations");
}

static void list_suspended(const struct queue_command *command, const struct request *request)
{
    struct arena *arena = arena_new();
    struct map *suspended;

    check_reader(command);
    suspended = queue_suspended(command, arena, true);
    if (request->json)
        queue_suspend_print_json(suspended);
    else
        queue_suspend_print(suspended, "");
    map_free(suspended);
    arena_free(arena);
}

/* ---- options ---- */

static void choose(struct request *request, enum mode mode, const char *argument)
{
    if (request->mode != MODE_NONE)
        usage();
    request->mode = mode;
    request->argument = argument;
}

static void take_length(struct request *request, const char *words)
{
    if (!config_parse_time(words, 's', &request->length) || request->length <= 0)
        die("--for %s: not a time such as 90, 30m, 2h or 5d", words);
}

static void take_long_option(struct request *request, int option)
{
    switch (option) {
    case OPTION_OLDEST: choose(request, MODE_OLDEST, NULL); break;
    case OPTION_TOP: choose(request, MODE_TOP, optarg); break;
    case OPTION_JSON: request->json = true; break;
    case OPTION_SUSPEND: choose(request, MODE_SUSPEND, optarg); break;
    case OPTION_FOR: take_length(request, optarg); break;
    case OPTION_RESUME: choose(request, MODE_RESUME, optarg); break;
    case OPTION_SUSPENDED: choose(request, MODE_SUSPENDED, NULL); break;
    default:
        if (!queue_selection_take(request->selection, option, optarg))
            usage();
    }
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
    default: take_long_option(request, option);
    }
}

static void take_word(struct request *request, int count, char **words)
{
    if (count == 0)
        return;
    if (count > 1 || (request->mode != MODE_OLDEST && request->mode != MODE_TOP))
        usage();
    request->word = words[0];
}

static void run(const struct queue_command *command, const struct request *request)
{
    switch (request->mode) {
    case MODE_LIST:
    case MODE_JSON: list_queue(command, request); break;
    case MODE_FLUSH: queue_flush(command, request->selection); break;
    case MODE_FLUSH_SITE: queue_flush_site(command, request->argument, request->selection); break;
    case MODE_FLUSH_ID: queue_flush_id(command, request->argument); break;
    case MODE_OLDEST: list_oldest(command, request); break;
    case MODE_TOP: list_top(command, request); break;
    case MODE_SUSPEND:
        check_suspender(command);
        queue_suspend(command, request->argument, request->length);
        break;
    case MODE_RESUME:
        check_suspender(command);
        queue_resume(command, request->argument);
        break;
    case MODE_SUSPENDED: list_suspended(command, request); break;
    case MODE_NONE: usage();
    }
}

int main(int argc, char **argv)
{
    struct queue_command command;
    struct request request = {.selection = queue_selection_new()};
    int option;

    queue_command_start(&command, "postqueue", argv);
    log_set_exit_status(EX_UNAVAILABLE);
    while ((option = getopt_long(argc, argv, "c:fi:jps:v", long_options, NULL)) > 0)
        take_option(&request, option);
    take_word(&request, argc - optind, argv + optind);
    queue_command_configure(&command, request.directory);
    queue_command_enter_queue(&command);
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_SIZE);
    run(&command, &request);
    queue_selection_free(request.selection);
    queue_command_end(&command);
    return fflush(stdout) == 0 ? 0 : EX_IOERR;
}
