#include "mail/config/master_cf.h"

#include <stdlib.h>
#include <string.h>

#include "mail/config/config.h"
#include "mail/config/tcp_port.h"
#include "util/base/lines.h"
#include "util/base/map.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum column { NAME, TYPE, PRIVATE, UNPRIVILEGED, CHROOT, WAKEUP, PROCESS_LIMIT, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {
    "service", "type", "private", "unprivileged", "chroot", "wakeup", "maxproc",
};

static const char *const type_names[] = {
    [SERVICE_INET] = "inet", [SERVICE_UNIX] = "unix",
    [SERVICE_FIFO] = "fifo", [SERVICE_PASS] = "pass",
    [SERVICE_UNIX_DGRAM] = "unix-dgram",
};

const char *service_type_name(enum service_type type)
{
    return type_names[type];
}

static const char blanks[] = " \t\r\n\v\f";

/* ---- columns ---- */

static bool parse_type(const char *text, enum service_type *type, struct error *error)
{
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (string_equal(text, type_names[i])) {
            *type = (enum service_type)i;
            return true;
        }
    return error_set(error, "bad type \"%s\" in the second column: inet, unix, unix-dgram, fifo or pass is wanted", text);
}

static bool parse_flag(const struct master_service *service, enum column column, bool fallback, bool *flag,
                       struct error *error)
{
    const char *text = service->columns[column];

    *flag = string_equal(text, "-") ? fallback : string_equal(text, "y");
    if (string_equal(text, "-") || string_equal(text, "y") || string_equal(text, "n"))
        return true;
    return error_set(error, "bad %s column \"%s\": y, n or - is wanted", column_names[column], text);
}

static bool parse_private(struct master_service *service, struct error *error)
{
    if (!parse_flag(service, PRIVATE, service->type != SERVICE_INET, &service->is_private, error))
        return false;
    if (service->type == SERVICE_INET && service->is_private)
        return error_set(error, "an inet service cannot be private: n or - is wanted in the third column");
    return true;
}

/* "60", "60?", or nothing */
static bool parse_wakeup(struct master_service *service, struct error *error)
{
    const char *text = service->columns[WAKEUP];
    size_t digits = strspn(text, "0123456789");

    if (string_equal(text, "-"))
        return true;
    service->wakeup_if_used = text[digits] == '?';
    if (digits == 0 || digits > 9 || text[digits + service->wakeup_if_used] != '\0')
        return error_set(error, "bad wakeup column \"%s\": seconds, seconds? or - is wanted", text);
    service->wakeup = strtol(text, NULL, 10) * SECONDS;
    return true;
}

static bool parse_process_limit(struct master_service *service, const struct config *config, struct error *error)
{
    const char *text = service->columns[PROCESS_LIMIT];

    if (string_equal(text, "-")) {
        service->process_limit = (int)config_get_count(config, "default_process_limit", 100);
        return true;
    }
    if (!string_all_digits(text) || strlen(text) > 6)
        return error_set(error, "bad maxproc column \"%s\": a number (0: no limit) or - is wanted", text);
    service->process_limit = (int)strtol(text, NULL, 10);
    return true;
}

/* Without compatibility_level (that is, at level 0) services run chrooted unless the column says no. */
static bool default_chroot(const struct config *config)
{
    struct text answer = {0};
    struct error error;
    bool chrooted = config_expand(config, "${{$compatibility_level} <level {1} ? {yes} : {no}}", &answer, &error) &&
                    string_equal(text_string(&answer), "yes");

    text_free(&answer);
    return chrooted;
}

static bool parse_columns(struct master_service *service, const struct config *config, struct error *error)
{
    return parse_type(service->columns[TYPE], &service->type, error) && parse_private(service, error) &&
           parse_flag(service, UNPRIVILEGED, true, &service->unprivileged, error) &&
           parse_flag(service, CHROOT, default_chroot(config), &service->chroot, error) &&
           parse_wakeup(service, error) && parse_process_limit(service, config, error);
}

/* An inet service is a port, or host:port. */
static bool check_name(const struct master_service *service, struct error *error)
{
    const char *name = service->columns[NAME], *port = strrchr(name, ':');

    if (service->type == SERVICE_INET && port != NULL && port[1] == '\0')
        return error_set(error, "bad service name \"%s\": port or host:port is wanted", name);
    if (service->type != SERVICE_INET && (*name == '/' || strstr(name, "..") != NULL))
        return error_set(error, "bad service name \"%s\": a name below private/ or public/ is wanted", name);
    return true;
}

/* ---- the command ---- */

static void add_argument(struct master_service *service, size_t *count, const char *argument)
{
    service->arguments = memory_resize(service->arguments, (*count + 2) * sizeof *service->arguments);
    service->arguments[(*count)++] = memory_copy_string(argument);
    service->arguments[*count] = NULL;
}

/* Whether the brace that opens at text closes. */
static bool brace_closes(const char *text)
{
    int depth = 0;

    do
        depth += (*text == '{') - (*text == '}');
    while (depth > 0 && *++text != '\0');
    return depth == 0;
}

static bool parse_arguments(struct master_service *service, char *rest, struct error *error)
{
    size_t count = 0;
    char *word;

    while (*(rest += strspn(rest, blanks)) != '\0') {
        if (*rest == '{' && !brace_closes(rest))
            return error_set(error, "missing '}' in \"%s\"", rest);
        word = string_next_word_braced(&rest, blanks);
        if (count == 0 && strchr(word, '/') != NULL)
            return error_set(error, "bad command \"%s\": the name of a program in daemon_directory is wanted", word);
        add_argument(service, &count, word);
    }
    if (count == 0)
        return error_set(error, "the command is missing: an eighth column is wanted");
    return true;
}

/* ---- the file ---- */

static bool parse_service(struct master_service *service, char *line, const struct config *config, struct error *error)
{
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        char *word = string_next_word(&line, blanks);

        if (word == NULL)
            return error_set(error, "the %s column is missing: service type private unprivileged chroot wakeup "
                                    "maxproc command is wanted", column_names[column]);
        service->columns[column] = memory_copy_string(word);
    }
    service->name = memory_copy_string(service->columns[NAME]);
    return parse_columns(service, config, error) && check_name(service, error) &&
           parse_arguments(service, line, error);
}

static struct master_service *add_service(struct master_cf *master_cf, int line)
{
    struct master_service *service;

    master_cf->services =
        memory_resize(master_cf->services, (master_cf->count + 1) * sizeof *master_cf->services);
    service = &master_cf->services[master_cf->count++];
    *service = (struct master_service){.line = line};
    return service;
}

/* Of several lines for one service the last one counts. seen: name/type -> count of services up to it. */
static void note_twice(struct master_cf *master_cf, struct map *seen)
{
    struct master_service *service = &master_cf->services[master_cf->count - 1];
    char *key = memory_format("%s/%s", service->name, service_type_name(service->type));
    size_t before = (size_t)map_set(seen, key, (void *)master_cf->count);

    if (before > 0)
        master_cf->services[before - 1].replaced = true;
    free(key);
}

/* ---- what can be read, and cannot work ---- */

static bool check_overrides(const struct master_service *service, struct error *error)
{
    for (char **argument = service->arguments; *argument != NULL; argument++)
        if (string_equal(*argument, "-o") && (*++argument == NULL || strchr(*argument, '=') == NULL))
            return error_set(error, "bad option \"-o %s\": -o name=value or -o { name = value } is wanted",
                             *argument != NULL ? *argument : "");
    return true;
}

static bool check_port(const struct master_service *service, const struct config *config, struct error *error)
{
    const char *colon = strrchr(service->name, ':'), *port = colon != NULL ? colon + 1 : service->name;
    uint16_t number;

    if (service->type != SERVICE_INET || tcp_port_find(config_get(config, "known_tcp_ports"), port, &number))
        return true;
    return error_set(error, "%s: no such port", port);
}

/* Who hears of mistakes, for a check of the whole file. NULL: the first one ends the reading. */
struct listener {
    master_cf_complaint_fn *complain;
    void *context;
};

static bool read_service(struct master_cf *master_cf, char *line, int number, const struct config *config,
                         struct map *seen, struct error *error)
{
    struct master_service *service = add_service(master_cf, number);

    if (!parse_service(service, line, config, error))
        return error_prefix(error, "%s: line %d: ", master_cf->path, number);
    note_twice(master_cf, seen);
    return true;
}

static bool could_work(const struct master_cf *master_cf, const struct config *config, struct error *error)
{
    const struct master_service *service = &master_cf->services[master_cf->count - 1];

    return (check_overrides(service, error) && check_port(service, config, error)) ||
           error_prefix(error, "%s: line %d: ", master_cf->path, service->line);
}

static bool read_services(struct master_cf *master_cf, struct line_reader *reader, const struct config *config,
                          const struct listener *listener, struct error *error)
{
    struct map *seen = map_new();
    bool ok = true;
    char *line;

    while (ok && (line = line_reader_next(reader)) != NULL) {
        ok = read_service(master_cf, line, line_reader_number(reader), config, seen, error) &&
             (listener == NULL || could_work(master_cf, config, error));
        if (!ok && listener != NULL) {
            listener->complain(listener->context, error->text);
            ok = true;
        }
    }
    map_free(seen);
    return ok && !line_reader_failed(reader, error);
}

static struct master_cf *load(const struct config *config, const struct listener *listener, struct error *error)
{
    struct master_cf *master_cf = memory_new(sizeof *master_cf);
    struct line_reader *reader;
    bool ok;

    master_cf->path = memory_format("%s/master.cf", config_directory(config));
    reader = line_reader_open(master_cf->path, error);
    ok = reader != NULL && read_services(master_cf, reader, config, listener, error);
    line_reader_close(reader);
    if (ok)
        return master_cf;
    master_cf_free(master_cf);
    return NULL;
}

struct master_cf *master_cf_load(const struct config *config, struct error *error)
{
    return load(config, NULL, error);
}

bool master_cf_check(const struct config *config, master_cf_complaint_fn *complain, void *context)
{
    const struct listener listener = {complain, context};
    struct error error;
    struct master_cf *master_cf = load(config, &listener, &error);
    bool readable = master_cf != NULL;

    if (!readable)
        complain(context, error.text);
    master_cf_free(master_cf);
    return readable;
}

static void free_service(struct master_service *service)
{
    free(service->name);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        free(service->columns[i]);
    for (size_t i = 0; service->arguments != NULL && service->arguments[i] != NULL; i++)
        free(service->arguments[i]);
    free(service->arguments);
}

void master_cf_free(struct master_cf *master_cf)
{
    if (master_cf == NULL)
        return;
    for (size_t i = 0; i < master_cf->count; i++)
        free_service(&master_cf->services[i]);
    free(master_cf->services);
    free(master_cf->path);
    free(master_cf);
}
