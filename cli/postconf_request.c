#include "cli/postconf_request.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const char usage[] =
    "usage: %s [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] "
    "[-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf fields)] "
    "[-h (no names)] [-H (no values)] [-j (JSON output)] [-l (lock types)] [-m (map types)] [-M (master.cf)] "
    "[-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)] "
    "[-P (master.cf parameters)] [-q (no deprecation warnings)] [-t (bounce templates)] "
    "[-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] "
    "[-X (exclude)] [-# (comment-out)] [name...]";

static int parse_classes(const char *list)
{
    static const struct {
        const char *name;
        int classes;
    } names[] = {{"builtin", CLASS_BUILTIN}, {"service", CLASS_SERVICE}, {"user", CLASS_USER}, {"all", CLASS_ALL}};
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    int classes = 0;

    while ((word = string_next_word(&cursor, ", \t")) != NULL) {
        size_t i = 0;

        while (i < 4 && !string_equal_ignore_case(word, names[i].name))
            i++;
        if (i == 4)
            die("unknown -C option value \"%s\" in \"%s\"", word, list);
        classes |= names[i].classes;
    }
    free(copy);
    return classes;
}

static void take_template_option(struct postconf_request *request, char option)
{
    if (request->letters[option == 'b' ? 't' : 'b'])
        die("specify one of -b and -t");
    request->letters[(unsigned char)option] = true;
}

static void take_option(struct postconf_request *request, int option, const char *program)
{
    switch (option) {
    case 'c':
        request->given_directory = optarg;
        break;
    case 'C':
        request->classes = parse_classes(optarg);
        break;
    case 'o':
        if (request->override_count == POSTCONF_OVERRIDE_LIMIT)
            die("too many -o options");
        request->overrides[request->override_count++] = optarg;
        break;
    case 'T':
        if (request->tls_mode != NULL)
            die("At most one -T <mode> option may be specified");
        request->tls_mode = optarg;
        break;
    case 'b':
    case 't':
        take_template_option(request, (char)option);
        break;
    case '?':
        die(usage, program);
    default:
        break;
    }
    request->letters[option & 0x7f] = true;
}

/* Letters that exclude one another: the first two present are named. */
static void one_of(const struct postconf_request *request, const char *letters)
{
    char first = '\0';

    for (; *letters != '\0'; letters++) {
        if (!request->letters[(unsigned char)*letters])
            continue;
        if (first != '\0')
            die("specify one of -%c -%c", first, *letters);
        first = *letters;
    }
}

/* What a way of working has no use for. */
static void check_mode(const struct postconf_request *request, char mode, const char *useless)
{
    for (; request->letters[(unsigned char)mode] && *useless != '\0'; useless++)
        if (request->letters[(unsigned char)*useless])
            die("with option -%c, do not specify -%c", mode, *useless);
}

static void check_options(const struct postconf_request *request)
{
    static const char *const exclusive[] = {"aAbFlmMpPtT", "deX#", "dn", "do", "hH", "fj", "hj", "Hj", "efX#", "ehX#", "eHX#",
                                            "ejX#", "enX#", "eoX#", "exX#"};
    static const struct {
        const char *modes, *useless;
    } conflicts[] = {{"aAblmtT", "defhHjnoxX#"}, {"F", "dnX#"}, {"M", "dhHn"}, {"P", "dn#"}};

    one_of(request, exclusive[0]);
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++)
        for (const char *mode = conflicts[i].modes; *mode != '\0'; mode++)
            check_mode(request, *mode, conflicts[i].useless);
    for (size_t i = 1; i < sizeof exclusive / sizeof *exclusive; i++)
        one_of(request, exclusive[i]);
}

/* An argument with a value is an edit, with or without -e. */
static bool is_assignment(const struct postconf_request *request)
{
    for (const char *mode = "aAblmtT"; *mode != '\0'; mode++)
        if (request->letters[(unsigned char)*mode])
            return false;
    return *request->arguments != NULL && strchr(*request->arguments, '=') != NULL;
}

void postconf_request_parse(struct postconf_request *request, int argc, char **argv)
{
    int option, verbosity = 0;

    *request = (struct postconf_request){.classes = CLASS_ALL};
    while ((option = getopt(argc, argv, "+aAbc:C:defFhHjlmMno:pPqtT:vxX#")) > 0) {
        take_option(request, option, argv[0]);
        if (option == 'v')
            log_set_verbosity(++verbosity);
    }
    request->arguments = argv + optind;
    request->letters['e'] = request->letters['e'] || is_assignment(request);
    check_options(request);
    if ((request->letters['b'] || request->letters['t']) && *request->arguments != NULL &&
        request->arguments[1] != NULL)
        die("options -b and -t require at most one template file");
}
