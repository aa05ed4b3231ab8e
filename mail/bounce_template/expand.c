#include <string.h>

#include "mail/bounce_template/internal.h"
#include "mail/config/expand.h"
#include "util/base/log.h"

enum { BIG_NUMBER = 1000 }; /* more than people want to read */

struct expansion {
    const struct template *template;
    const struct config *config;
    const struct mail_config *mail;
};

static const struct {
    const char *name;
    duration length;
} units[] = {{"seconds", SECONDS},      {"minutes", 60 * SECONDS},        {"hours", 3600 * SECONDS},
             {"days", 86400 * SECONDS}, {"weeks", 7 * 86400 * SECONDS}};

/* delay_warning_time_hours and its like: the time, and the unit's name. False: the name is another. */
static bool find_time(const struct expansion *expansion, const char *name, duration *time, const char **unit)
{
    const struct {
        const char *prefix;
        duration value;
    } times[] = {{"delay_warning_time_", expansion->mail->delay_warning_time},
                 {"maximal_queue_lifetime_", expansion->mail->maximal_queue_lifetime}};

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (!string_starts(name, times[i].prefix))
            continue;
        *time = times[i].value;
        *unit = name + strlen(times[i].prefix);
        return true;
    }
    return false;
}

static void warn_of_unit(const struct expansion *expansion, const char *name, const char *unit, const char *result,
                         const char *change)
{
    const struct template *template = expansion->template;

    log_warning(NULL, "%s: %s in %s template conversion of parameter \"%s\"", template->origin, result, template->name,
                name);
    log_warning(NULL, "please %s time unit \"%s\" of \"%s\" in %s template", change, unit, name, template->name);
}

static bool append_time(const struct expansion *expansion, const char *name, duration time, const char *unit,
                        struct text *result, struct error *error)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        long number = (long)(time / units[i].length);

        if (!string_equal(unit, units[i].name))
            continue;
        if (number == 0 && time > 0)
            warn_of_unit(expansion, name, unit, "zero result", "reduce");
        if (number >= BIG_NUMBER)
            warn_of_unit(expansion, name, unit, "excessive result", "increase");
        text_append_format(result, "%ld", number);
        return true;
    }
    return error_set(error, "unrecognized suffix \"%s\" in parameter \"%s\"", unit, name);
}

static bool name_is_set(void *context, const char *name)
{
    const struct expansion *expansion = context;
    const char *value = config_get(expansion->config, name), *unit;
    duration time;

    return find_time(expansion, name, &time, &unit) || (value != NULL && *value != '\0');
}

static bool name_value(void *context, const char *name, int depth, struct text *result, struct error *error)
{
    const struct expansion *expansion = context;
    const char *value, *unit;
    duration time;

    (void)depth;
    if (find_time(expansion, name, &time, &unit))
        return append_time(expansion, name, time, unit, result, error);
    value = config_get(expansion->config, name);
    if (value == NULL)
        return error_set(error, "undefined $%s", name);
    text_append(result, value);
    return true;
}

bool template_expand(const struct template *template, const struct config *config, const struct mail_config *mail,
                     struct text *result, struct error *error)
{
    struct expansion expansion = {template, config, mail};
    const struct expand_names expand = {name_is_set, name_value, &expansion};
    size_t before = result->length;

    if (expand_text(&expand, template->body, 0, result, error))
        return true;
    text_truncate(result, before);
    return error_prefix(error, "%s: %s template: ", template->origin, template->name);
}

void template_expand_anyway(const struct template *template, const struct config *config,
                            const struct mail_config *mail, struct text *result)
{
    struct error error;

    if (template_expand(template, config, mail, result, &error))
        return;
    log_warning(NULL, "%s; it is sent unexpanded", error.text);
    text_append(result, template->body);
}
