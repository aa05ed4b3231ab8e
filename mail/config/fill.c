/* Conversion of parameter texts to typed values, and the bounds that .def files give. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "mail/config/catalog.h"
#include "mail/config/config_internal.h"
#include "util/base/memory.h"

static duration unit_length(char unit)
{
    switch (ascii_lower(unit)) {
    case 's':
        return SECONDS;
    case 'm':
        return 60 * SECONDS;
    case 'h':
        return 3600 * SECONDS;
    case 'd':
        return 86400 * SECONDS;
    case 'w':
        return 7 * 86400 * SECONDS;
    default:
        return 0;
    }
}

bool config_parse_time(const char *value, char unit, duration *result)
{
    char *end;
    long number;
    duration length;

    errno = 0;
    number = strtol(value, &end, 10);
    if (errno != 0 || end == value || !ascii_is_digit(*value) || (*end != '\0' && end[1] != '\0'))
        return false;
    length = unit_length(*end != '\0' ? *end : unit);
    if (length == 0 || number > INT64_MAX / length)
        return false;
    *result = number * length;
    return true;
}

static bool parse_number(const char *text, long *result)
{
    char *end;

    errno = 0;
    *result = strtol(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && !ascii_is_space(*text);
}

static bool parse_decimal(const char *text, long *result)
{
    char *end;

    errno = 0;
    *result = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && !ascii_is_space(*text);
}

static bool has_bound(const char *bound)
{
    return bound != NULL && !string_equal(bound, "0");
}

static bool convert_number(const struct parameter *parameter, const char *text, struct parameter_value *value,
                           struct error *error)
{
    long bound;

    if (!parse_decimal(text, &value->number))
        return error_set(error, "bad numerical value: %s = %s; an integer is wanted", parameter->name, text);
    if (parameter->least != NULL && parse_number(parameter->least, &bound) && value->number < bound)
        return error_set(error, "invalid %s parameter value %ld < %ld", parameter->name, value->number, bound);
    if (has_bound(parameter->most) && parse_number(parameter->most, &bound) && value->number > bound)
        return error_set(error, "invalid %s parameter value %ld > %ld", parameter->name, value->number, bound);
    return true;
}

static bool convert_time(const struct parameter *parameter, const char *text, struct parameter_value *value,
                         struct error *error)
{
    duration bound;

    if (!config_parse_time(text, catalog_time_unit(parameter), &value->time))
        return error_set(error, "bad time value: %s = %s; an integer is wanted, with s, m, h, d or w behind it",
                         parameter->name, text);
    if (has_bound(parameter->least) && config_parse_time(parameter->least, 's', &bound) && value->time < bound)
        return error_set(error, "invalid %s parameter value %s < %s", parameter->name, text, parameter->least);
    if (has_bound(parameter->most) && config_parse_time(parameter->most, 's', &bound) && value->time > bound)
        return error_set(error, "invalid %s parameter value %s > %s", parameter->name, text, parameter->most);
    return true;
}

static bool convert_boolean(const struct parameter *parameter, const char *text, struct parameter_value *value,
                            struct error *error)
{
    value->boolean = string_equal_ignore_case(text, "yes");
    if (!value->boolean && !string_equal_ignore_case(text, "no"))
        return error_set(error, "bad boolean value: %s = %s; yes or no is wanted", parameter->name, text);
    return true;
}

bool config_convert(const struct parameter *parameter, const char *text, struct parameter_value *value,
                    struct error *error)
{
    switch (parameter->type) {
    case PARAMETER_boolean:
        return convert_boolean(parameter, text, value, error);
    case PARAMETER_time:
        return convert_time(parameter, text, value, error);
    case PARAMETER_count:
    case PARAMETER_size:
        return convert_number(parameter, text, value, error);
    case PARAMETER_string:
    case PARAMETER_tables:
    case PARAMETER_patterns:
    case PARAMETER_networks:
    case PARAMETER_restrictions:
    case PARAMETER_raw:
        if (*text == '\0' && has_bound(parameter->least))
            return error_set(error, "bad value: %s is empty; a text is wanted", parameter->name);
        return true;
    }
    return true;
}

/* "FILE, line N: " as far as known: a default and a command's option stand in no file. */
static bool set_place(const struct config *config, const char *name, struct error *error)
{
    int line = config_line(config, name);

    if (line > 0)
        return error_prefix(error, "%s: line %d: ", config->path, line);
    return error_prefix(error, "%s: ", config_get_raw(config, name) != NULL ? "-o" : "default value");
}

static void store(const struct parameter *parameter, const char *text, const struct parameter_value *value, void *target)
{
    char *member = (char *)target + parameter->offset;

    switch (parameter->type) {
    case PARAMETER_boolean:
        *(bool *)(void *)member = value->boolean;
        break;
    case PARAMETER_time:
        *(duration *)(void *)member = value->time;
        break;
    case PARAMETER_count:
    case PARAMETER_size:
        *(long *)(void *)member = value->number;
        break;
    case PARAMETER_string:
    case PARAMETER_tables:
    case PARAMETER_patterns:
    case PARAMETER_networks:
    case PARAMETER_restrictions:
    case PARAMETER_raw:
        *(const char **)(void *)member = text;
        break;
    }
}

/* The expanded text; NULL when expansion fails. A name outside every .def list has the default of its row. */
static const char *value_of(const struct config *config, const struct parameter *parameter, struct error *error)
{
    struct text expanded = {0};
    const char *value = NULL;
    bool known = config_unexpanded(config, parameter->name) != NULL;

    if (known ? config_append_value(config, parameter->name, 0, &expanded, error)
              : config_expand(config, parameter->default_value, &expanded, error))
        value = known ? config_get(config, parameter->name) : arena_copy(config->memory, text_string(&expanded));
    else
        error_prefix(error, "%s: ", parameter->name);
    text_free(&expanded);
    return value;
}

static bool fill_one(const struct config *config, const struct parameter *parameter, void *target, struct error *error)
{
    struct parameter_value value = {0};
    const char *text = value_of(config, parameter, error);

    if (text == NULL || !config_convert(parameter, text, &value, error))
        return set_place(config, parameter->name, error);
    store(parameter, text, &value, target);
    return true;
}

bool config_fill(const struct config *config, const struct parameter_set *set, void *target, struct error *error)
{
    struct error further;
    bool ok = true;

    memset(target, 0, set->size);
    for (size_t i = 0; i < set->count; i++)
        ok = fill_one(config, &set->parameters[i], target, ok ? error : &further) && ok;
    return ok;
}

/* ---- one value by name ---- */

static bool get_as(const struct config *config, const char *name, enum parameter_type type,
                   struct parameter_value *value)
{
    const struct parameter *known = catalog_find(name);
    struct parameter asked = {.name = name, .type = type, .default_value = known == NULL ? "" : known->default_value};
    const char *text = config_get(config, name);
    struct error error;

    return text != NULL && config_convert(&asked, text, value, &error);
}

bool config_get_boolean(const struct config *config, const char *name, bool fallback)
{
    struct parameter_value value;

    return get_as(config, name, PARAMETER_boolean, &value) ? value.boolean : fallback;
}

long config_get_count(const struct config *config, const char *name, long fallback)
{
    struct parameter_value value;

    return get_as(config, name, PARAMETER_count, &value) ? value.number : fallback;
}

duration config_get_time(const struct config *config, const char *name, duration fallback)
{
    struct parameter_value value;

    return get_as(config, name, PARAMETER_time, &value) ? value.time : fallback;
}
