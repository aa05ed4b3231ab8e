/* postmap - makes, changes and queries lookup tables (postmap(1)). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postmap.h"
#include "mail/config/mail_config.h"
#include "util/base/log.h"
#include "util/base/memory.h"

struct request {
    const char *directory;
    const char *query, *remove; /* a key, "-" for standard input, NULL: not asked for */
    bool list, mime, no_utf8, force_utf8; /* -s, -m, -u, -U */
    struct postmap postmap;
};

static const char usage[] = "usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...";

static void one_purpose(const struct request *request, const char *complaint)
{
    if (request->query != NULL || request->remove != NULL || request->list)
        die("%s", complaint);
}

static void take_flag(struct request *request, int option)
{
    switch (option) {
    case 'b':
        request->postmap.bodies = true;
        break;
    case 'h':
        request->postmap.headers = true;
        break;
    case 'm':
        request->mime = true;
        break;
    case 'f':
        request->postmap.exact = true;
        break;
    case 'F':
        die("-F: values made of files are not supported yet");
    case 'i':
        request->postmap.incremental = true;
        break;
    case 'N':
    case 'n':
        break; /* there is one form of keys */
    case 'U':
        request->force_utf8 = true;
        break;
    case 'o':
        request->postmap.keep_root = true;
        break;
    case 'p':
        request->postmap.default_mode = true;
        break;
    case 'r':
        request->postmap.duplicates = TABLE_DUPLICATE_REPLACE;
        break;
    case 'u':
        request->no_utf8 = true;
        break;
    case 'w':
        request->postmap.duplicates = TABLE_DUPLICATE_IGNORE;
        break;
    default:
        die("%s", usage);
    }
}

static void take_option(struct request *request, int option, int *verbosity)
{
    switch (option) {
    case 'c':
        request->directory = optarg;
        break;
    case 'd':
        one_purpose(request, "specify only one of -s -q or -d");
        request->remove = optarg;
        break;
    case 'q':
        one_purpose(request, "specify only one of -s -q or -d");
        request->query = optarg;
        break;
    case 's':
        one_purpose(request, "specify only one of -s or -q or -d");
        request->list = true;
        break;
    case 'v':
        log_set_verbosity(++*verbosity);
        break;
    default:
        take_flag(request, option);
    }
}

static bool from_message(const struct request *request)
{
    return request->postmap.headers || request->postmap.bodies;
}

static void check_message_options(const struct request *request)
{
    bool asked = from_message(request) || request->mime;

    if (asked && (request->query == NULL || !string_equal(request->query, "-")))
        die("specify -b -h or -m only with \"-q -\"");
    if (request->mime && !from_message(request))
        log_warning(NULL, "ignoring -m option without -b or -h");
}

/* All names with a type before them. NULL ends; kept until the process ends. */
static char **with_types(const struct config *config, char *const *names, int count)
{
    char **tables = memory_new(((size_t)count + 1) * sizeof *tables);

    for (int i = 0; i < count; i++)
        tables[i] = strchr(names[i], ':') != NULL
                        ? memory_copy_string(names[i])
                        : memory_format("%s:%s", config_get(config, "default_database_type"), names[i]);
    return tables;
}

/* Without -m parts of a message are plain body. */
static bool query_stdin(const struct request *request, const struct config *config, char **tables)
{
    const struct mime_limits limits = {
        request->mime ? (int)config_get_count(config, "mime_nesting_limit", 100) : 0,
        (size_t)config_get_count(config, "mime_boundary_length_limit", 2048),
    };

    if (from_message(request))
        return postmap_query_message(&request->postmap, &limits, tables);
    return postmap_query_stdin(&request->postmap, tables);
}

static int run(const struct request *request, const struct config *config, char **tables)
{
    const struct postmap *postmap = &request->postmap;
    bool found = false;

    if (request->query != NULL && string_equal(request->query, "-"))
        return query_stdin(request, config, tables) ? 0 : 1;
    if (request->remove != NULL && string_equal(request->remove, "-"))
        return postmap_delete_stdin(postmap, tables) ? 0 : 1;
    for (; *tables != NULL; tables++) {
        if (request->query != NULL && postmap_query(postmap, *tables, request->query))
            return 0;
        if (request->remove != NULL)
            found = postmap_delete(postmap, *tables, request->remove) || found;
        else if (request->list)
            postmap_list(postmap, *tables);
        else if (request->query == NULL)
            postmap_create(postmap, *tables);
    }
    return found || (request->query == NULL && request->remove == NULL) ? 0 : 1;
}

static void free_tables(char **tables)
{
    for (size_t i = 0; tables[i] != NULL; i++)
        free(tables[i]);
    free(tables);
}

int main(int argc, char **argv)
{
    const struct log_settings to_stderr = {.tag = "postmap", .target = LOG_TARGET_STDERR};
    struct request request = {0};
    struct config *config;
    char **tables;
    int option, verbosity = 0, status;

    log_open(&to_stderr);
    while ((option = getopt(argc, argv, "bc:d:fFhimnNopq:rsuUvw")) > 0)
        take_option(&request, option, &verbosity);
    if (optind == argc)
        die("%s", usage);
    check_message_options(&request);
    config = mail_config_load_or_die(request.directory);
    request.postmap.check_utf8 = !request.no_utf8 && (!from_message(&request) || request.force_utf8) &&
                                 config_get_boolean(config, "smtputf8_enable", true);
    tables = with_types(config, argv + optind, argc - optind);
    status = run(&request, config, tables);
    free_tables(tables);
    config_free(config);
    return status;
}
