/* postconf -M, -F and -P: master.cf's services, their columns, their -o options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "mail/config/used.h"
#include "util/base/json.h"
#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"

static const char *const field_names[] = {
    "service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command",
};

enum { COLUMN_COUNT = 7, FIELD_COUNT = 8 };

/* ---- requests: name, name/type, name/type/field; * is any ---- */

struct request {
    const char *text;
    char *copy, *parts[3]; /* NULL: any */
};

static struct request parse_request(const char *text, size_t most, char option, const char *shape)
{
    struct request request = {.text = text, .copy = memory_copy_string(text)};
    char *rest = request.copy;
    size_t count = 0;

    for (; rest != NULL && count < most; count++) {
        char *slash = strchr(rest, '/');

        if (slash != NULL)
            *slash = '\0';
        request.parts[count] = string_equal(rest, "*") ? NULL : rest;
        rest = slash != NULL ? slash + 1 : NULL;
    }
    if (rest != NULL)
        die("-%c option requires %s", option, shape);
    return request;
}

static bool fits(const char *wanted, const char *name)
{
    return wanted == NULL || string_equal(wanted, name);
}

static bool fits_service(const struct request *request, const struct master_service *service)
{
    return fits(request->parts[0], service->columns[0]) && fits(request->parts[1], service->columns[1]);
}

/* ---- -M ---- */

static void append_fields(const struct postconf *postconf, const struct master_service *service, struct text *line)
{
    struct text command = {0};

    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        text_append(line, i == 0 ? "{" : ", ");
        json_append_member(line, field_names[i], service->columns[i]);
    }
    postconf_format_command(postconf, service, &command);
    text_append(line, ", ");
    json_append_member(line, field_names[COLUMN_COUNT], text_string(&command));
    text_append_char(line, '}');
    text_free(&command);
}

static void show_service(const struct postconf *postconf, const struct master_service *service)
{
    struct text line = {0};

    if (postconf->json)
        append_fields(postconf, service, &line);
    else
        postconf_format_service(postconf, service, &line);
    puts(text_string(&line));
    text_free(&line);
}

void postconf_show_services(const struct postconf *postconf, char *const *requests)
{
    static char any[] = "*", *const all[] = {any, NULL};

    for (requests = *requests == NULL ? all : requests; *requests != NULL; requests++) {
        struct request request = parse_request(*requests, 2, 'M', "service_name[/type]");
        bool found = requests == all;

        for (size_t i = 0; i < postconf->master_cf->count; i++) {
            if (!fits_service(&request, &postconf->master_cf->services[i]))
                continue;
            show_service(postconf, &postconf->master_cf->services[i]);
            found = true;
        }
        if (!found)
            log_warning(NULL, "unmatched request: \"%s\"", request.text);
        free(request.copy);
    }
}

/* ---- -F ---- */

static void show_pair(const struct postconf *postconf, const struct master_service *service, const char *field,
                      const char *value)
{
    char *name = memory_format("%s/%s/%s", service->columns[0], service->columns[1], field);

    postconf_print(postconf, name, value);
    free(name);
}

/* With -x the values behind -o are expanded, the rest is as master.cf has it. */
static void show_field(const struct postconf *postconf, const struct master_service *service, size_t field)
{
    struct postconf unexpanded = *postconf;
    struct text command = {0};

    unexpanded.expand = false;
    unexpanded.fold = false; /* it is folded here, where options begin */
    if (field < COLUMN_COUNT) {
        show_pair(&unexpanded, service, field_names[field], service->columns[field]);
        return;
    }
    if (postconf->fold && !postconf->hide_names)
        text_append_format(&command, "%s/%s/command = ", service->columns[0], service->columns[1]);
    postconf_format_command(postconf, service, &command);
    if (postconf->fold && !postconf->hide_values)
        puts(text_string(&command));
    else
        show_pair(&unexpanded, service, field_names[field], text_string(&command));
    text_free(&command);
}

static void check_field(const char *name)
{
    for (size_t i = 0; name != NULL && i < FIELD_COUNT; i++)
        if (string_equal(name, field_names[i]))
            return;
    if (name != NULL)
        die("invalid service attribute name: \"%s\"", name);
}

static void show_fields_of(const struct postconf *postconf, const struct request *request, bool quiet)
{
    bool found = quiet;

    for (size_t i = 0; i < postconf->master_cf->count; i++) {
        const struct master_service *service = &postconf->master_cf->services[i];

        for (size_t field = 0; field < FIELD_COUNT; field++) {
            if (!fits_service(request, service) || !fits(request->parts[2], field_names[field]))
                continue;
            show_field(postconf, service, field);
            found = true;
        }
    }
    if (!found)
        log_warning(NULL, "unmatched request: \"%s\"", request->text);
}

void postconf_show_fields(const struct postconf *postconf, char *const *requests)
{
    static char any[] = "*", *const all[] = {any, NULL};
    bool everything = *requests == NULL;

    for (requests = everything ? all : requests; *requests != NULL; requests++) {
        struct request request = parse_request(*requests, 3, 'F', "service_name[/type[/field]]");

        check_field(request.parts[2]);
        show_fields_of(postconf, &request, everything);
        free(request.copy);
    }
}

/* ---- -P ---- */

/* The service's -o settings, the last of each name. Values are owned. */
static struct map *overrides_of(const struct master_service *service)
{
    struct map *overrides = map_new();
    size_t position = 1;
    const char *assignment;

    while ((assignment = master_arguments_next_override(service->arguments, &position)) != NULL) {
        char *copy = memory_copy_string(assignment), *equals = strchr(copy, '=');

        if (equals != NULL) {
            *equals = '\0';
            free(map_set(overrides, string_trim(copy), memory_copy_string(string_trim(equals + 1))));
        }
        free(copy);
    }
    return overrides;
}

static bool show_overrides_of(const struct postconf *postconf, const struct request *request,
                              const struct master_service *service)
{
    struct map *overrides = overrides_of(service);
    struct postconf own = postconf_of_service(postconf, service);
    const char **sorted = map_sorted_keys(overrides);
    bool found = false;

    for (size_t i = 0; i < map_count(overrides); i++) {
        if (!fits(request->parts[2], sorted[i]))
            continue;
        show_pair(&own, service, sorted[i], map_get(overrides, sorted[i]));
        found = true;
    }
    config_free(own.config);
    free(sorted);
    map_free_with(overrides, free);
    return found;
}

void postconf_show_overrides(const struct postconf *postconf, char *const *requests)
{
    static char any[] = "*", *const all[] = {any, NULL};
    bool everything = *requests == NULL;

    for (requests = everything ? all : requests; *requests != NULL; requests++) {
        struct request request = parse_request(*requests, 3, 'P', "service_name[/type[/parameter]]");
        bool found = everything;

        for (size_t i = 0; i < postconf->master_cf->count; i++)
            if (fits_service(&request, &postconf->master_cf->services[i]))
                found = show_overrides_of(postconf, &request, &postconf->master_cf->services[i]) || found;
        if (!found)
            log_warning(NULL, "unmatched request: \"%s\"", request.text);
        free(request.copy);
    }
}
