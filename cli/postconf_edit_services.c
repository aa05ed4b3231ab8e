/* postconf -Me, -M#, -MX, -Fe, -Pe and -PX: changing master.cf. A service that changes is written anew; the others,
 * and all comments, stay as they are. */
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { COLUMN_COUNT = 7 };

/* One service of the file: what becomes of it. */
struct service_change {
    const char *name, *type; /* of the line to be changed */
    enum postconf_edit edit;
    const char *text; /* for EDIT_SET: the new lines */
};

/* "name/type/rest=value" taken apart in place. */
struct target {
    char *name, *type, *rest, *value;
};

static struct target parse_target(char *request, bool with_value, size_t parts, const char *complaint)
{
    struct target target = {0};
    char *equals = with_value ? strchr(request, '=') : NULL;

    if (strchr(request, '\n') != NULL)
        die("-e, -X, or -# accepts no multi-line input");
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

/* ---- the file ---- */

static bool starts_service(const char *line, const struct service_change *change)
{
    size_t name = strcspn(line, " \t"), gap = strspn(line + name, " \t"), type = strcspn(line + name + gap, " \t");

    return strlen(change->name) == name && strncmp(line, change->name, name) == 0 && strlen(change->type) == type &&
           strncmp(line + name + gap, change->type, type) == 0;
}

static bool edit_lines(const struct service_change *change, const char *cursor, struct text *result)
{
    struct text line = {0};
    bool ours = false, found = false;

    while (postconf_file_line(&cursor, &line)) {
        const char *text = text_string(&line);
        bool comment = postconf_line_is_comment(text), starts = !comment && !ascii_is_space(*text);

        if (starts)
            ours = starts_service(text, change);
        if (comment || !ours)
            text_append_format(result, "%s\n", text);
        else if (change->edit == EDIT_COMMENT)
            text_append_format(result, "#%s\n", text);
        else if (change->edit == EDIT_SET && starts)
            text_append_format(result, "%s\n", change->text);
        found = found || ours;
    }
    text_free(&line);
    return found;
}

static void apply(const struct postconf *postconf, const struct service_change *change)
{
    struct postconf_file file;
    struct text result = {0};

    postconf_file_open(&file, postconf->directory, "master.cf");
    if (!edit_lines(change, text_string(&file.content), &result) && change->edit == EDIT_SET)
        text_append_format(&result, "%s\n", change->text);
    postconf_file_replace(&file, &result);
    text_free(&result);
}

/* ---- -M ---- */

static struct master_service *parse_service(char *value, const char *request)
{
    struct master_service *service = memory_new(sizeof *service);
    size_t count = 0;
    char *word;

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
    return service;
}

static void set_service(const struct postconf *postconf, const struct target *target, const char *request)
{
    struct master_service *service = parse_service(target->value, request);
    struct text lines = {0};

    postconf_format_service(service, true, &lines);
    apply(postconf, &(struct service_change){target->name, target->type, EDIT_SET, text_string(&lines)});
    text_free(&lines);
    free(service->arguments);
    free(service);
}

void postconf_edit_services(const struct postconf *postconf, enum postconf_edit edit, char *const *requests)
{
    for (; *requests != NULL; requests++) {
        char *copy = memory_copy_string(*requests);
        struct target target =
            parse_target(copy, edit == EDIT_SET, 2, "-Me, -MX or -M# requires service_name/type");

        if (edit == EDIT_SET)
            set_service(postconf, &target, *requests);
        else
            apply(postconf, &(struct service_change){target.name, target.type, edit, NULL});
        free(copy);
    }
}

/* ---- -F and -P: the service as read, with one thing changed ---- */

/* The last change counts: earlier requests have changed the file since it was read. */
static struct master_cf *reread(const struct postconf *postconf)
{
    struct error error;
    struct master_cf *master_cf = master_cf_load(postconf->config, &error);

    if (master_cf == NULL)
        die("%s", error.text);
    return master_cf;
}

/* NULL, and a warning: there is none. */
static struct master_service *find_service(const struct master_cf *master_cf, const struct target *target,
                                           const char *request)
{
    for (size_t i = 0; i < master_cf->count; i++)
        if (string_equal(master_cf->services[i].columns[0], target->name) &&
            string_equal(master_cf->services[i].columns[1], target->type))
            return &master_cf->services[i];
    log_warning(NULL, "unmatched service_name/type: \"%s\"", request);
    return NULL;
}

static void write_service(const struct postconf *postconf, const struct target *target,
                          const struct master_service *service)
{
    struct text lines = {0};

    postconf_format_service(service, true, &lines);
    apply(postconf, &(struct service_change){target->name, target->type, EDIT_SET, text_string(&lines)});
    text_free(&lines);
}

static void replace_arguments(struct master_service *service, char *value)
{
    char *word;
    size_t count = 0;

    for (; service->arguments[count] != NULL; count++)
        free(service->arguments[count]);
    for (count = 0; (word = string_next_word_braced(&value, " \t")) != NULL; count++) {
        service->arguments = memory_resize(service->arguments, (count + 2) * sizeof *service->arguments);
        service->arguments[count] = memory_copy_string(word);
    }
    if (count == 0)
        die("the command must not be empty");
    service->arguments[count] = NULL;
}

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

static void set_field(struct master_service *service, const struct target *target)
{
    static const char *const names[] = {"service", "type",   "private",       "unprivileged",
                                        "chroot",  "wakeup", "process_limit", "command"};
    size_t column = 0;

    while (column <= COLUMN_COUNT && !string_equal(names[column], target->rest))
        column++;
    if (column > COLUMN_COUNT)
        die("invalid service attribute name: \"%s\"", target->rest);
    if (column == COLUMN_COUNT) {
        replace_arguments(service, target->value);
        return;
    }
    if (!field_value_is_good(column, target->value))
        die("invalid %s field \"%s\" in \"%s\"", target->rest, target->value, target->value);
    free(service->columns[column]);
    service->columns[column] = memory_copy_string(target->value);
}

void postconf_edit_fields(const struct postconf *postconf, char *const *requests)
{
    for (; *requests != NULL; requests++) {
        char *copy = memory_copy_string(*requests);
        struct target target = parse_target(copy, true, 3, "-Fe or -FX requires service_name/type/field_name");
        struct master_cf *master_cf = reread(postconf);
        struct master_service *service = find_service(master_cf, &target, *requests);

        if (service != NULL) {
            set_field(service, &target);
            write_service(postconf, &target, service);
        }
        master_cf_free(master_cf);
        free(copy);
    }
}

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

static void edit_override(const struct postconf *postconf, enum postconf_edit edit, const struct target *target,
                          struct master_service *service)
{
    size_t place = remove_override(service, target->rest);

    if (edit == EDIT_SET)
        insert_override(service, place, target->rest, target->value);
    write_service(postconf, target, service);
}

void postconf_edit_overrides(const struct postconf *postconf, enum postconf_edit edit, char *const *requests)
{
    for (; *requests != NULL; requests++) {
        char *copy = memory_copy_string(*requests);
        struct target target =
            parse_target(copy, edit == EDIT_SET, 3, "-Pe or -PX requires service_name/type/parameter");
        struct master_cf *master_cf = reread(postconf);
        struct master_service *service = find_service(master_cf, &target, *requests);

        if (edit == EDIT_SET && strpbrk(target.value, " \t") != NULL)
            die("-Pe does not accept whitespace in parameter value");
        if (service != NULL)
            edit_override(postconf, edit, &target, service);
        master_cf_free(master_cf);
        free(copy);
    }
}
