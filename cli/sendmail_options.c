#include "cli/sendmail.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/ipc/ipc.h"
#include "util/base/log.h"
#include "util/base/memory.h"

#define OPTIONS "+A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx"

static void usage(void)
{
    die("usage: sendmail [options]");
}

/* ---- single options ---- */

static void set_mode(struct sendmail_request *request, const char *letters)
{
    switch (*letters) {
    case 'd':
    case 'l': request->mode = SENDMAIL_DAEMON; break;
    case 'h':
    case 'H': request->mode = SENDMAIL_IGNORE; break;
    case 'i': request->mode = SENDMAIL_ALIASES; break;
    case 'm': request->mode = SENDMAIL_DELIVER; break;
    case 'p': request->mode = SENDMAIL_LIST; break;
    case 's': request->mode = SENDMAIL_SERVER; break;
    case 'v':
        request->mode = SENDMAIL_DELIVER;
        request->trace |= TRACE_VERIFY;
        break;
    default: die("unsupported: -b%c", *letters);
    }
}

static void set_flush(struct sendmail_request *request, const char *argument)
{
    if (*argument == 'S')
        die("-qS is not implemented");
    if (ascii_is_digit(*argument)) {
        request->mode = SENDMAIL_IGNORE; /* an interval: queue_run_delay it is */
        return;
    }
    if (*argument != 'R' && *argument != 'I')
        die("-q%c is not implemented", *argument);
    request->mode = *argument == 'R' ? SENDMAIL_FLUSH_SITE : SENDMAIL_FLUSH_ID;
    request->argument = argument + 1;
    if (*request->argument == '\0')
        die("specify: -q%c%s", *argument, *argument == 'R' ? "sitename" : "queueid");
}

static int notify_flag(const char *word)
{
    static const struct {
        const char *name;
        int flag;
    } known[] = {
        {"never", DSN_NOTIFY_NEVER},
        {"success", DSN_NOTIFY_SUCCESS},
        {"failure", DSN_NOTIFY_FAILURE},
        {"delay", DSN_NOTIFY_DELAY},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (string_equal_ignore_case(word, known[i].name))
            return known[i].flag;
    return 0;
}

static void set_notify(struct sendmail_request *request, const char *argument)
{
    char *copy = memory_copy_string(argument), *cursor = copy, *word;
    int flags = 0;
    bool good = true;

    while (good && (word = string_next_word(&cursor, ", \t\r\n")) != NULL) {
        good = notify_flag(word) != 0;
        if (!good)
            log_warning(NULL, "unknown DSN NOTIFY command value \"%s\" in \"%s\"", word, argument);
        flags |= notify_flag(word);
    }
    if (!good || flags == 0 || ((flags & DSN_NOTIFY_NEVER) && flags != DSN_NOTIFY_NEVER))
        log_warning(NULL, "bad -N option value -- ignored");
    else
        request->notify = flags;
    free(copy);
}

static void set_return(struct sendmail_request *request, const char *argument)
{
    if (string_equal_ignore_case(argument, "full"))
        request->ret = DSN_RET_FULL;
    else if (string_equal_ignore_case(argument, "hdrs"))
        request->ret = DSN_RET_HDRS;
    else
        log_warning(NULL, "bad -R option value -- ignored");
}

static void set_encoding(struct sendmail_request *request, const char *argument)
{
    if (string_equal_ignore_case(argument, "8BITMIME"))
        request->encoding = "8bit";
    else if (string_equal_ignore_case(argument, "7BIT"))
        request->encoding = "7bit";
    else
        die("-B option needs 8BITMIME or 7BIT");
}

static void set_verp(struct sendmail_request *request, const char *delimiters)
{
    if (*delimiters != '\0' && strlen(delimiters) != 2)
        die("-V requires two characters from -=+");
    request->verp = delimiters;
}

/* -V was VERP before it was the envelope ID, and whoever says two characters means VERP. */
static void set_envelope_id(struct sendmail_request *request, char **argv)
{
    if (*optarg == '\0') {
        log_warning(NULL, "bad syntax in -V option value -- ignored");
        return;
    }
    if (strlen(optarg) != 2) {
        request->envelope_id = optarg;
        return;
    }
    if (optarg == argv[optind - 1]) {
        optind--; /* not an argument at all */
        log_warning(NULL, "option -V is deprecated with Postfix 2.3; specify -XV instead");
        request->verp = "";
        return;
    }
    log_warning(NULL, "option -V%s is deprecated with Postfix 2.3; specify -XV%s instead", optarg, optarg);
    set_verp(request, optarg);
}

/* -O name=value; the others are main.cf's business. */
static void set_option(struct sendmail_request *request, const char *argument)
{
    if (string_equal_ignore_case(argument, "smtputf8=yes"))
        request->sendopts |= SENDOPT_SMTPUTF8;
    else if (string_equal_ignore_case(argument, "requiretls=yes"))
        request->sendopts |= SENDOPT_REQUIRETLS;
}

static void set_old_option(struct sendmail_request *request, const char *argument)
{
    if (*argument == 'A' && argument[1] != '\0')
        request->aliases = argument + 1;
    else if (*argument == 'i')
        request->dots_are_text = true;
}

static void take_option(struct sendmail_request *request, int option, char **argv)
{
    switch (option) {
    case 'B': set_encoding(request, optarg); break;
    case 'C': request->directory = optarg; break;
    case 'F': request->full_name = optarg; break;
    case 'G': request->relayed = true; break;
    case 'I': request->mode = SENDMAIL_ALIASES; break;
    case 'N': set_notify(request, optarg); break;
    case 'O': set_option(request, optarg); break;
    case 'R': set_return(request, optarg); break;
    case 'V': set_envelope_id(request, argv); break;
    case 'X':
        if (*optarg != 'V')
            die("unsupported: -X%c", *optarg);
        set_verp(request, optarg + 1);
        break;
    case 'b': set_mode(request, optarg); break;
    case 'f':
    case 'r': request->sender = optarg; break;
    case 'i': request->dots_are_text = true; break;
    case 'n': die("-n option not supported");
    case 'o': set_old_option(request, optarg); break;
    case 'q': set_flush(request, optarg); break;
    case 't': request->extract = true; break;
    case 'v': request->verbosity++; break;
    case '?': usage(); break;
    default: break; /* A L U c e h m p x: known, and without effect */
    }
}

static void check_sense(const struct sendmail_request *request)
{
    bool deliver = request->mode == SENDMAIL_DELIVER;

    if (request->extract && !deliver)
        die("-t can be used only in delivery mode");
    if (request->extract && (request->trace & TRACE_VERIFY) != 0)
        die("-t option cannot be used with -bv");
    if (*request->recipients == NULL || deliver)
        return;
    if (request->mode == SENDMAIL_DAEMON)
        die("daemon mode requires no recipient");
    if (request->mode == SENDMAIL_ALIASES)
        die("alias initialization mode requires no recipient");
    if (request->mode == SENDMAIL_LIST)
        die("display queue mode requires no recipient");
    if (request->mode == SENDMAIL_SERVER)
        die("stand-alone mode requires no recipient");
    if (request->mode != SENDMAIL_IGNORE)
        die("flush queue mode requires no recipient");
}

/* getopt knows no option whose argument may be missing and may not follow. A bare -q is taken out. */
static bool take_bare_flush(struct sendmail_request *request, char **argv)
{
    if (optind < 1 || argv[optind] == NULL || !string_equal(argv[optind], "-q"))
        return false;
    optind++;
    request->mode = SENDMAIL_FLUSH;
    return true;
}

static void scan(struct sendmail_request *request, int argc, char **argv)
{
    int option;

    optind = 1;
    for (;;) {
        while (take_bare_flush(request, argv))
            continue;
        option = getopt(argc, argv, OPTIONS);
        if (option < 0)
            break;
        take_option(request, option, argv);
    }
    request->recipients = argv + optind;
}

void sendmail_options(struct sendmail_request *request, const char *name, int argc, char **argv)
{
    *request = (struct sendmail_request){.mode = SENDMAIL_DELIVER};
    if (string_equal(name, "mailq"))
        request->mode = SENDMAIL_LIST;
    else if (string_equal(name, "newaliases"))
        request->mode = SENDMAIL_ALIASES;
    scan(request, argc, argv);
    check_sense(request);
    if (request->mode == SENDMAIL_DELIVER && request->verbosity == 1 && (request->trace & TRACE_VERIFY) == 0)
        request->trace |= TRACE_RECORD;
}
