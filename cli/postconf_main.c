/* postconf - shows and changes the configuration (postconf(1)). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postconf.h"
#include "mail/sasl/sasl_server.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/table.h"

enum { OVERRIDE_LIMIT = 100 };

struct request {
    const char *given_directory;
    bool letters[256]; /* which option letters stand on the command line */
    const char *overrides[OVERRIDE_LIMIT];
    size_t override_count;
    int classes, verbosity;
};

static const char usage[] =
    "usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] "
    "[-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf fields)] "
    "[-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)] "
    "[-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)] "
    "[-P (master.cf parameters)] [-t (bounce templates)] [-T compile-version|run-version|public-key-algorithms] "
    "[-v (verbose)] [-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]";

/* ---- options ---- */

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

static void take_option(struct request *request, int option)
{
    switch (option) {
    case 'c':
        request->given_directory = optarg;
        break;
    case 'C':
        request->classes = parse_classes(optarg);
        break;
    case 'o':
        if (request->override_count == OVERRIDE_LIMIT)
            die("too many -o options");
        request->overrides[request->override_count++] = optarg;
        break;
    case 'T':
    case 'b':
    case 't':
        die("-%c is not supported yet", option);
    case 'v':
        log_set_verbosity(++request->verbosity);
        break;
    case '?':
        die("%s", usage);
    default:
        break;
    }
    request->letters[option & 0xff] = true;
}

/* Letters that exclude one another: the first two present are named. */
static void one_of(const struct request *request, const char *letters)
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

static void check_options(const struct request *request)
{
    static const char *const exclusive[] = {"deX#", "aAbFlmMP", "hH", "ef", "en", "eX#", "dn", "Xf", "eh", "eH"};

    for (const char *master = "MFP"; *master != '\0'; master++)
        for (const char *other = "dnC"; *other != '\0'; other++)
            if (request->letters[(unsigned char)*master] && request->letters[(unsigned char)*other])
                die("with option -%c, do not specify -%c", *master, *other);
    for (size_t i = 0; i < sizeof exclusive / sizeof *exclusive; i++)
        one_of(request, exclusive[i]);
}

/* ---- what needs no configuration ---- */

static void print_lines(const char *const *lines)
{
    for (; *lines != NULL; lines++)
        puts(*lines);
}

static bool print_facts(const struct request *request)
{
    static const char *const client_sasl[] = {"cyrus", NULL};
    static const char *const locks[] = {"flock", "fcntl", "dotlock", NULL};

    if (request->letters['l'])
        print_lines(locks);
    if (request->letters['m'])
        print_lines(table_types());
    if (request->letters['a'])
        print_lines(sasl_server_types());
    if (request->letters['A'])
        print_lines(client_sasl);
    return request->letters['l'] || request->letters['m'] || request->letters['a'] || request->letters['A'];
}

/* ---- configuration ---- */

static void apply_override(struct config *config, const char *assignment)
{
    struct error error;

    if (config_override(config, assignment, &error))
        return;
    die("invalid parameter override: %s: %s attribute name", assignment,
        strchr(assignment, '=') != NULL && strstr(error.text, "missing attribute") != NULL ? "missing"
                                                                                           : "missing '=' after");
}

static bool directory_is_given(const struct request *request)
{
    return request->given_directory != NULL || getenv("MAIL_CONFIG") != NULL;
}

static struct config *open_main_cf(const struct request *request, const char *directory)
{
    struct error error;
    struct config *config = config_load(directory, &error);
    char *assignment = memory_format("config_directory=%s", directory);

    if (config == NULL)
        die("%s", error.text);
    if (directory_is_given(request))
        apply_override(config, assignment);
    for (size_t i = 0; i < request->override_count; i++)
        apply_override(config, request->overrides[i]);
    free(assignment);
    return config;
}

static struct master_cf *open_master_cf(const struct config *config)
{
    struct error error;
    struct master_cf *master_cf = master_cf_load(config, &error);

    if (master_cf == NULL && !string_starts(error.text, "open "))
        die("%s", error.text);
    if (master_cf == NULL)
        log_warning(NULL, "%s", error.text);
    return master_cf;
}

/* -d: as if main.cf were empty and in its usual place. */
static void use_defaults(struct postconf *postconf)
{
    config_free(postconf->config);
    postconf->config = config_new_empty("/etc/postfix");
}

static void open_configuration(struct postconf *postconf, const struct request *request)
{
    postconf->directory = config_directory_choose(request->given_directory);
    postconf->classes = request->classes;
    postconf->only_set = request->letters['n'];
    postconf->hide_names = request->letters['h'];
    postconf->hide_values = request->letters['H'];
    postconf->fold = request->letters['f'];
    postconf->expand = request->letters['x'];
    postconf->config = request->letters['d'] ? config_new_empty(postconf->directory)
                                             : open_main_cf(request, postconf->directory);
    postconf->master_cf = open_master_cf(postconf->config);
    if (request->letters['d'])
        use_defaults(postconf);
}

static void close_configuration(struct postconf *postconf)
{
    master_cf_free(postconf->master_cf);
    config_free(postconf->config);
}

/* ---- work ---- */

static void edit(struct postconf *postconf, const struct request *request, enum postconf_edit kind, char **arguments)
{
    const char *directory = config_directory_choose(request->given_directory);

    if (*arguments == NULL && kind == EDIT_SET)
        die("-e requires name=value argument");
    if (*arguments == NULL)
        die("missing service argument");
    if (!request->letters['M'] && !request->letters['F'] && !request->letters['P']) {
        postconf_edit_main_cf(directory, kind, arguments);
        return;
    }
    open_configuration(postconf, request);
    if (request->letters['M'])
        postconf_edit_services(postconf, kind, arguments);
    else if (request->letters['P'])
        postconf_edit_overrides(postconf, kind, arguments);
    else if (kind == EDIT_SET)
        postconf_edit_fields(postconf, arguments);
    else
        die("-F cannot be used with -X or -#");
    close_configuration(postconf);
}

static void show(struct postconf *postconf, const struct request *request, char **arguments)
{
    bool of_master = request->letters['M'] || request->letters['F'] || request->letters['P'];

    open_configuration(postconf, request);
    if (of_master && postconf->master_cf == NULL)
        exit(1); /* it has been said why */
    if (!request->letters['d'])
        postconf_warn_undefined(postconf);
    if (request->letters['M'])
        postconf_show_services(postconf, arguments);
    else if (request->letters['F'])
        postconf_show_fields(postconf, arguments);
    else if (request->letters['P'])
        postconf_show_overrides(postconf, arguments);
    else if (*arguments != NULL)
        postconf_show_named(postconf, arguments);
    else
        postconf_show_all(postconf);
    if (fflush(stdout) != 0)
        die("write output: %s", strerror(errno));
    if (!request->letters['d'])
        postconf_warn_unused(postconf, !of_master);
    close_configuration(postconf);
}

/* An argument with a value is an edit, with or without -e. */
static bool is_assignment(const struct request *request, char *const *arguments)
{
    return *arguments != NULL && strchr(*arguments, '=') != NULL && !request->letters['d'] && !request->letters['n'];
}

int main(int argc, char **argv)
{
    const struct log_settings to_stderr = {.tag = argv[0], .target = LOG_TARGET_STDERR};
    struct request request = {.classes = CLASS_ALL};
    struct postconf postconf = {0};
    char **arguments;
    int option;

    log_open(&to_stderr);
    while ((option = getopt(argc, argv, "aAbc:C:deEfFhHlmMno:pPqtT:vxX#")) > 0)
        take_option(&request, option);
    arguments = argv + optind;
    if (is_assignment(&request, arguments) && !request.letters['X'] && !request.letters['#'])
        request.letters['e'] = true;
    else if (is_assignment(&request, arguments))
        die("specify one of -e -%c", request.letters['X'] ? 'X' : '#');
    check_options(&request);
    if (print_facts(&request))
        return 0;
    if (request.letters['e'])
        edit(&postconf, &request, EDIT_SET, arguments);
    else if (request.letters['X'])
        edit(&postconf, &request, EDIT_REMOVE, arguments);
    else if (request.letters['#'])
        edit(&postconf, &request, EDIT_COMMENT, arguments);
    else
        show(&postconf, &request, arguments);
    return 0;
}
