/* postconf -Me, -M#, -MX, -Fe, -Pe and -PX: changing master.cf, by all requests or none. A service that changes is
 * written anew. */
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "cli/postconf_master_text.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { COLUMN_COUNT = 7 };

static const char *const field_names[] = {"service", "type",   "private",       "unprivileged",
                                          "chroot",  "wakeup", "process_limit", "command"};

/* "name/type/rest=value" taken apart in place. */
struct target {
    char *name, *type, *rest, *value;
};

static struct target parse_target(char *request, bool with_value, size_t parts, const char *complaint)
{
    struct target target = {0};
    char *equals = with_value ? strchr(request, '=') : NULL;

    if (strchr(request, '\n') != NULL)
        die("-Me, -Fe, -Pe, -X, or -# accept no multi-line input");
    if (*request == '#')
        die("-Me, -Fe, -Pe, -X, or -# accept no comment input");
    if (equals != NULL) {
        *equals = '\0';
        target.value = string_trim(equals + 1);
    }
    target.name = string_trim(request);
    target.type = strchr(target.name, '/');
    if (target.type != NULL)
        *target.type++ = '\0';
    target.rest = target.type != NULL ? strchr(target.type, '/') : NULL;
    if (target.rest != NULL)
        *target.rest++ = '\0';
    if (target.type == NULL || (target.rest != NULL) != (parts == 3) || (with_value && target.value == NULL))
        die("%s", complaint);
    return target;
}

static char *format_folded(const struct postconf *postconf, const struct master_service *service)
{
    struct postconf folded = *postconf;
    struct text lines = {0};

    folded.fold = true;
    folded.expand = false;
    postconf_format_service(&folded, service, &lines);
    return text_take(&lines);
}

/* ---- columns ---- */

static bool field_value_is_good(size_t column, const char *value)
{
    static const char *const types[] = {"inet", "unix", "fifo", "pass", "unix-dgram"};
    size_t digits = strspn(value, "0123456789");

    switch (column) {
    case 1:
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            if (string_equal(value, types[i]))
                return true;
        return false;
    case 2:
    case 3:
    case 4:
        return string_equal(value, "y") || string_equal(value, "n") || string_equal(value, "-");
    case 5:
        return string_equal(value, "-") ||
               (digits > 0 && (value[digits] == '\0' || string_equal(value + digits, "?")));
    case 6:
        return string_equal(value, "-") || (digits > 0 && value[digits] == '\0');
    default:
        return *value != '\0' && strpbrk(value, " \t") == NULL;
    }
}

static void check_field(size_t column, const char *value, const char *whole)
{
    if (!field_value_is_good(column, value))
        die("invalid %s field \"%s\" in \"%s\"", field_names[column], value, whole);
}

/* ---- -M ---- */

/* The columns and words point into value. */
static struct master_service *parse_service(char *value, const char *request)
{
    struct master_service *service = memory_new(sizeof *service);
    char *whole = memory_copy_string(value), *word;
    size_t count = 0;

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if ((service->columns[i] = string_next_word(&value, " \t")) == NULL)
            die("bad field count: \"%s\"", request);
    while ((word = string_next_word_braced(&value, " \t")) != NULL) {
        service->arguments = memory_resize(service->arguments, (count + 2) * sizeof *service->arguments);
        service->arguments[count++] = word;
        service->arguments[count] = NULL;
    }
    if (count == 0)
        die("bad field count: \"%s\"", request);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        check_field(i, service->columns[i], whole);
    free(whole);
    return service;
}

/* The first service that fits is replaced, others that fit go; without any the service is new. */
static void set_service(const struct postconf *postconf, struct master_text *text, const struct target *target,
                        const char *request)
{
    struct master_service *service = parse_service(target->value, request);
    char *lines = format_folded(postconf, service);
    struct master_entry *entry;
    size_t position = 0, found = 0;

    while ((entry = master_text_next(text, target->name, target->type, &position)) != NULL)
        master_entry_change(entry, found++ == 0 ? EDIT_SET : EDIT_REMOVE, lines);
    if (found == 0)
        master_text_add(text, target->name, target->type, lines);
    free(lines);
    free(service->arguments);
    free(service);
}

static void drop_services(struct master_text *text, const struct target *target, enum postconf_edit edit)
{
    struct master_entry *entry;
    size_t position = 0;

    while ((entry = master_text_next(text, target->name, target->type, &position)) != NULL)
        master_entry_change(entry, edit, NULL);
}

void postconf_edit_services(const struct postconf *postconf, enum postconf_edit edit, char *const *requests)
{
    struct master_text text;

    master_text_open(&text, postconf->directory);
    for (; *requests != NULL; requests++) {
        char *copy = memory_copy_string(*requests);
        struct target target =
            parse_target(copy, edit == EDIT_SET, 2, "-Me, -MX or -M# requires service_name/type");

        if (edit == EDIT_SET)
            set_service(postconf, &text, &target, *requests);
        else
            drop_services(&text, &target, edit);
        free(copy);
    }
    master_text_write(&text);
}

/* ---- -F and -P: the services as read, with one thing changed ---- */

/* Nobody else changes the file while it is open. */
static struct master_cf *load_services(const struct postconf *postconf)
{
    struct error error;
    struct master_cf *master_cf = master_cf_load(postconf->config, &error);

    if (master_cf == NULL)
        die("%s", error.text);
    return master_cf;
}

static struct master_service *service_at(const struct master_cf *master_cf, int line)
{
    for (size_t i = 0; i < master_cf->count; i++)
        if (master_cf->services[i].line == line)
            return &master_cf->services[i];
    return NULL;
}

typedef void change_fn(struct master_service *service, const struct target *target, enum postconf_edit edit);

/* Changes each service that the target fits, in memory, and what the file will have of it. */
static void change_services(const struct postconf *postconf, struct master_text *text,
                            const struct master_cf *master_cf, const struct target *target, enum postconf_edit edit,
                            change_fn *change, const char *request)
{
    struct master_entry *entry;
    size_t position = 0;
    bool found = false;

    while ((entry = master_text_next(text, target->name, target->type, &position)) != NULL) {
        struct master_service *service = service_at(master_cf, entry->line);
        char *lines;

        if (service == NULL)
            continue;
        change(service, target, edit);
        lines = format_folded(postconf, service);
        master_entry_change(entry, EDIT_SET, lines);
        free(lines);
        found = true;
    }
    if (!found)
        log_warning(NULL, "unmatched service_name/type: \"%s\"", request);
}

static void change_master_cf(const struct postconf *postconf, enum postconf_edit edit, char *const *requests,
                             change_fn *change, const char *shape)
{
    struct master_text text;
    struct master_cf *master_cf;

    master_text_open(&text, postconf->directory);
    master_cf = load_services(postconf);
    for (; *requests != NULL; requests++) {
        char *copy = memory_copy_string(*requests);
        struct target target = parse_target(copy, edit == EDIT_SET, 3, shape);

        change_services(postconf, &text, master_cf, &target, edit, change, *requests);
        free(copy);
    }
    master_text_write(&text);
    master_cf_free(master_cf);
}

/* ---- -F ---- */

static void replace_arguments(struct master_service *service, const char *value)
{
    char *copy = memory_copy_string(value), *rest = copy, *word;
    size_t count = 0;

    for (; service->arguments[count] != NULL; count++)
        free(service->arguments[count]);
    for (count = 0; (word = string_next_word_braced(&rest, " \t")) != NULL; count++) {
        service->arguments = memory_resize(service->arguments, (count + 2) * sizeof *service->arguments);
        service->arguments[count] = memory_copy_string(word);
    }
    if (count == 0)
        die("the command must not be empty");
    service->arguments[count] = NULL;
    free(copy);
}

static void change_field(struct master_service *service, const struct target *target, enum postconf_edit edit)
{
    size_t column = 0;

    (void)edit;
    if (string_equal(target->rest, "*"))
        die("-Fe does not accept wild-card field name");
    while (column <= COLUMN_COUNT && !string_equal(field_names[column], target->rest))
        column++;
    if (column > COLUMN_COUNT)
        die("invalid service attribute name: \"%s\"", target->rest);
    if (column == COLUMN_COUNT) {
        replace_arguments(service, target->value);
        return;
    }
    check_field(column, target->value, target->value);
    free(service->columns[column]);
    service->columns[column] = memory_copy_string(target->value);
}

void postconf_edit_fields(const struct postconf *postconf, char *const *requests)
{
    change_master_cf(postconf, EDIT_SET, requests, change_field, "-Fe or -FX requires service_name/type/field_name");
}

/* ---- -P ---- */

/* Where the options end that stand before the first other word; -o NAME=VALUE counts as two. */
static size_t options_end(const struct master_service *service)
{
    size_t i = 1;

    while (service->arguments[i] != NULL && service->arguments[i][0] == '-')
        i += string_equal(service->arguments[i], "-o") && service->arguments[i + 1] != NULL ? 2 : 1;
    return i;
}

static bool sets(const char *assignment, const char *name)
{
    size_t length;

    assignment += strspn(assignment, " \t");
    length = strcspn(assignment, " \t=");
    return strlen(name) == length && strncmp(assignment, name, length) == 0;
}

/* All "-o name=..." of that name go; the place of the first, or where a new one belongs. */
static size_t remove_override(struct master_service *service, const char *name)
{
    size_t place = options_end(service), kept = 1;
    bool found = false;

    for (size_t i = 1; service->arguments[i] != NULL;) {
        size_t width = string_equal(service->arguments[i], "-o") && service->arguments[i + 1] != NULL ? 2 : 1;
        const char *assignment = width == 2 ? service->arguments[i + 1] : service->arguments[i] + 2;
        bool ours = string_starts(service->arguments[i], "-o") && sets(assignment, name);

        if (ours && !found)
            place = kept;
        found = found || ours;
        for (; width > 0; width--, i++) {
            if (ours)
                free(service->arguments[i]);
            else
                service->arguments[kept++] = service->arguments[i];
        }
    }
    service->arguments[kept] = NULL;
    return place;
}

static void insert_override(struct master_service *service, size_t place, const char *name, const char *value)
{
    size_t count = 0;

    while (service->arguments[count] != NULL)
        count++;
    service->arguments = memory_resize(service->arguments, (count + 3) * sizeof *service->arguments);
    memmove(&service->arguments[place + 2], &service->arguments[place],
            (count + 1 - place) * sizeof *service->arguments);
    service->arguments[place] = memory_copy_string("-o");
    service->arguments[place + 1] = memory_format("%s=%s", name, value);
}

static void change_override(struct master_service *service, const struct target *target, enum postconf_edit edit)
{
    size_t place;

    if (string_equal(target->rest, "*"))
        die("-Pe does not accept wild-card parameter name");
    if (edit == EDIT_SET && strpbrk(target->value, " \t") != NULL)
        die("-Pe does not accept whitespace in parameter value");
    place = remove_override(service, target->rest);
    if (edit == EDIT_SET)
        insert_override(service, place, target->rest, target->value);
}

void postconf_edit_overrides(const struct postconf *postconf, enum postconf_edit edit, char *const *requests)
{
    change_master_cf(postconf, edit, requests, change_override, "-Pe or -PX requires service_name/type/parameter");
}
