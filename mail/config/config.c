#include "mail/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "mail/config/catalog.h"
#include "mail/config/config_internal.h"
#include "mail/config/expand.h"
#include "util/base/lines.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const char built_in_directory[] = "/etc/postfix";

const char *config_directory_choose(const char *option_c)
{
    const char *environment = getenv("MAIL_CONFIG");

    if (option_c != NULL)
        return option_c;
    return environment != NULL ? environment : built_in_directory;
}

struct config *config_new_empty(const char *directory)
{
    struct config *config = memory_new(sizeof *config);

    config->memory = arena_new();
    config->directory = arena_copy(config->memory, directory);
    config->path = arena_format(config->memory, "%s/main.cf", directory);
    config->settings = map_new();
    config->expanded = map_new();
    config->computing = map_new();
    return config;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    map_free(config->settings);
    map_free(config->expanded);
    map_free(config->computing);
    free(config->in_order);
    arena_free(config->memory);
    free(config);
}

const char *config_directory(const struct config *config)
{
    return config->directory;
}

/* ---- main.cf ---- */

bool config_split(char *assignment, char **name, char **value, struct error *error)
{
    char *equals = strchr(assignment, '='), *end;

    *name = string_trim(assignment);
    end = *name + strcspn(*name, " \t\r\n\v\f=");
    if (end == *name)
        return error_set(error, "missing attribute name: \"%s\"", assignment);
    if (equals == NULL || end + strspn(end, " \t\r\n\v\f") != equals)
        return error_set(error, "missing '=' after attribute name: \"%s\"", assignment);
    *end = '\0';
    *value = string_trim(equals + 1);
    return true;
}

/* What was handed out stays; what was computed from the old setting is computed anew. */
static void forget_expanded(struct config *config)
{
    map_free(config->expanded);
    config->expanded = map_new();
}

static void remember_order(struct config *config, struct setting *setting)
{
    config->in_order = memory_resize(config->in_order, (config->order_count + 1) * sizeof *config->in_order);
    config->in_order[config->order_count++] = setting;
    setting->in_order = true;
}

void config_set(struct config *config, const char *name, const char *value, int line)
{
    struct setting *setting = map_get(config->settings, name);

    if (setting == NULL) {
        setting = arena_alloc(config->memory, sizeof *setting);
        setting->in_order = false;
        setting->name = arena_copy(config->memory, name);
        map_set(config->settings, name, setting);
        if (line > 0)
            remember_order(config, setting);
    }
    setting->value = arena_copy(config->memory, value);
    setting->line = line;
    forget_expanded(config);
}

static bool read_line(struct config *config, char *text, int number, struct error *error)
{
    char *name, *value;

    if (!config_split(text, &name, &value, error))
        return error_prefix(error, "%s, line %d: ", config->path, number);
    if (config_get_raw(config, name) != NULL)
        log_warning(NULL, "%s, line %d: overriding earlier entry: %s=%s", config->path, number, name,
                    config_get_raw(config, name));
    config_set(config, name, value, number);
    return true;
}

static bool read_main_cf(struct config *config, struct error *error)
{
    struct line_reader *reader = line_reader_open(config->path, error);
    bool ok = reader != NULL;
    char *line;

    while (ok && (line = line_reader_next(reader)) != NULL)
        ok = read_line(config, line, line_reader_number(reader), error);
    if (ok)
        ok = !line_reader_failed(reader, error);
    line_reader_close(reader);
    return ok;
}

struct config *config_load(const char *directory, struct error *error)
{
    struct config *config = config_new_empty(directory);

    if (read_main_cf(config, error))
        return config;
    config_free(config);
    return NULL;
}

struct config *config_copy(const struct config *config)
{
    struct config *copy = config_new_empty(config->directory);
    size_t position = 0;
    const char *name;
    void *value;

    for (size_t i = 0; i < config->order_count; i++)
        config_set(copy, config->in_order[i]->name, config->in_order[i]->value, config->in_order[i]->line);
    while (map_next(config->settings, &position, &name, &value))
        if (!((const struct setting *)value)->in_order)
            config_set(copy, name, ((const struct setting *)value)->value, 0);
    return copy;
}

bool config_override(struct config *config, const char *assignment, struct error *error)
{
    char *copy = memory_copy_string(assignment), *text = string_trim(copy), *name, *value;
    size_t length = strlen(text);
    bool ok;

    if (length >= 2 && text[0] == '{' && text[length - 1] == '}') {
        text[length - 1] = '\0';
        text = string_trim(text + 1);
    }
    ok = config_split(text, &name, &value, error);
    if (ok)
        config_set(config, name, value, 0);
    else
        error_prefix(error, "-o %s: ", assignment);
    free(copy);
    return ok;
}

/* ---- values ---- */

const char *config_get_raw(const struct config *config, const char *name)
{
    const struct setting *setting = map_get(config->settings, name);

    return setting == NULL ? NULL : setting->value;
}

int config_line(const struct config *config, const char *name)
{
    const struct setting *setting = map_get(config->settings, name);

    return setting == NULL ? 0 : setting->line;
}

void config_each_setting(const struct config *config, config_setting_fn *setting, void *context)
{
    size_t position = 0;
    const char *name;
    void *value;

    for (size_t i = 0; i < config->order_count; i++)
        setting(context, config->in_order[i]->name, config->in_order[i]->value);
    while (map_next(config->settings, &position, &name, &value))
        if (!((const struct setting *)value)->in_order)
            setting(context, name, ((const struct setting *)value)->value);
}

/* The default of mydomain follows from myhostname, which main.cf may set to mail.$mydomain: the name that comes back
 * to itself is empty there. */
static const char *unexpanded_default(const struct config *config, const struct parameter *parameter)
{
    struct text computed = {0};
    const char *value = parameter->default_value;

    if (map_get(config->computing, parameter->name) != NULL)
        return "";
    map_set(config->computing, parameter->name, config->computing);
    if (catalog_compute_default(config, parameter->name, &computed))
        value = arena_copy(config->memory, text_string(&computed));
    map_remove(config->computing, parameter->name);
    text_free(&computed);
    return value;
}

const char *config_unexpanded(const struct config *config, const char *name)
{
    const char *raw = config_get_raw(config, name);
    const struct parameter *parameter;

    if (raw != NULL)
        return raw;
    parameter = catalog_find(name);
    return parameter != NULL ? unexpanded_default(config, parameter) : NULL;
}

/* Only whether there is a text at all: `${name?x}` looks no further, and `x = $x` does not loop here. */
static bool name_is_set(void *context, const char *name)
{
    const char *value = config_unexpanded(context, name);

    return value != NULL && *value != '\0';
}

static bool name_value(void *context, const char *name, int depth, struct text *result, struct error *error)
{
    return config_append_value(context, name, depth, result, error);
}

static bool expand_at(const struct config *config, const char *value, int depth, struct text *result,
                      struct error *error)
{
    const struct expand_names names = {name_is_set, name_value, (void *)config};

    return expand_text(&names, value, depth, result, error);
}

bool config_append_value(const struct config *config, const char *name, int depth, struct text *result,
                         struct error *error)
{
    const char *value = map_get(config->expanded, name);
    const struct parameter *parameter;
    size_t before = result->length;

    if (value == NULL && (value = config_unexpanded(config, name)) != NULL) {
        parameter = catalog_find(name);
        if (parameter != NULL && parameter->type == PARAMETER_raw)
            text_append(result, value);
        else if (!expand_at(config, value, depth, result, error))
            return false;
        /* What was found on the way to a computed default may lack that default. */
        if (map_count(config->computing) == 0)
            map_set(config->expanded, name, arena_copy(config->memory, text_string(result) + before));
        return true;
    }
    text_append(result, value == NULL ? "" : value);
    return true;
}

bool config_expand(const struct config *config, const char *value, struct text *result, struct error *error)
{
    return expand_at(config, value, 0, result, error);
}

const char *config_get(const struct config *config, const char *name)
{
    const char *value = map_get(config->expanded, name);
    struct text text = {0};
    struct error error;
    bool ok;

    if (value != NULL || config_unexpanded(config, name) == NULL)
        return value;
    ok = config_append_value(config, name, 0, &text, &error);
    if (!ok)
        log_error(NULL, "%s: %s: %s", config->path, name, error.text);
    else if ((value = map_get(config->expanded, name)) == NULL)
        value = arena_copy(config->memory, text_string(&text));
    text_free(&text);
    return value;
}

const char *config_get_transport(const struct config *config, const char *transport, const char *suffix,
                                 const char *fallback)
{
    char *name = memory_format("%s%s", transport, suffix);
    const char *value = config_get_raw(config, name) != NULL || catalog_find(name) != NULL
                            ? config_get(config, name)
                            : config_get(config, fallback);

    free(name);
    return value;
}
