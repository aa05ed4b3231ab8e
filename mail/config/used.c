#include "mail/config/used.h"

#include <stdlib.h>
#include <string.h>

#include "mail/config/catalog.h"
#include "mail/config/config_internal.h"
#include "mail/config/expand.h"
#include "mail/config/master_cf.h"
#include "util/base/memory.h"

struct config_names {
    struct map *names;    /* the set of names, each with a value that is not NULL */
    struct map *prefixes; /* NAME of each ldap:NAME: NAME_anything has a meaning */
};

static void add(struct map *set, const char *name)
{
    map_set(set, name, set);
}

static void add_name(void *context, const char *name)
{
    struct config_names *names = context;

    add(names->names, name);
}

/* Tables whose settings main.cf itself may hold, under the table's name. */
static void add_table_prefixes(struct config_names *names, const char *value)
{
    static const char *const types[] = {"ldap:", "mysql:", "pgsql:", "sqlite:", "memcache:", "mongodb:"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (const char *at = value; (at = strstr(at, types[i])) != NULL;) {
            char *name;

            at += strlen(types[i]);
            name = memory_copy_bytes(at, strcspn(at, " \t\r\n,}"));
            if (*name != '/' && *name != '.')
                add(names->prefixes, name);
            free(name);
        }
}

static void add_value(struct config_names *names, const char *value)
{
    expand_each_name(value, add_name, names);
    add_table_prefixes(names, value);
}

static void add_classes(struct config_names *names, const struct config *config)
{
    const char *value = config_get(config, "smtpd_restriction_classes");
    char *copy = memory_copy_string(value == NULL ? "" : value), *cursor = copy, *word;

    while ((word = string_next_word(&cursor, " \t\r\n,")) != NULL)
        add(names->names, word);
    free(copy);
}

const char *master_arguments_next_override(char *const *arguments, size_t *position)
{
    for (; arguments[*position] != NULL && *arguments[*position] == '-'; (*position)++) {
        const char *argument = arguments[*position];

        if (string_equal(argument, "-o") && arguments[*position + 1] != NULL) {
            *position += 2;
            return arguments[*position - 1];
        }
        if (string_starts(argument, "-o") && argument[2] != '\0') {
            (*position)++;
            return argument + 2;
        }
    }
    return NULL;
}

static void add_service(struct config_names *names, const struct master_service *service)
{
    const char *assignment;
    size_t position = 1;

    while ((assignment = master_arguments_next_override(service->arguments, &position)) != NULL) {
        const char *equals = strchr(assignment, '=');

        add_value(names, equals == NULL ? assignment : equals + 1);
    }
}

/* TRANSPORT_suffix, where TRANSPORT is a service; pipe and spawn services have TRANSPORT_time_limit too. */
static void add_transports(struct config_names *names, const struct master_cf *master_cf)
{
    static const char *const programs[] = {"pipe", "spawn"};

    for (size_t i = 0; i < master_cf->count; i++) {
        const struct master_service *service = &master_cf->services[i];
        char *key = memory_format("%s ", service->name);

        add(names->names, key); /* no parameter has a blank in its name: a service's mark */
        free(key);
        key = memory_format("%s_time_limit", service->name);
        for (size_t p = 0; p < sizeof programs / sizeof *programs; p++)
            if (string_equal(service->arguments[0], programs[p]))
                add(names->names, key);
        free(key);
        add_service(names, service);
    }
}

struct config_names *config_names_new(const struct config *config, const struct master_cf *master_cf)
{
    struct config_names *names = memory_new(sizeof *names);
    const struct parameter *parameter;
    size_t position = 0;
    const char *name;
    void *value;

    names->names = map_new();
    names->prefixes = map_new();
    for (size_t i = 0; (parameter = catalog_at(i)) != NULL; i++) {
        add(names->names, parameter->name);
        add_value(names, parameter->default_value);
    }
    while (map_next(config->settings, &position, &name, &value))
        add_value(names, ((const struct setting *)value)->value);
    add_classes(names, config);
    if (master_cf != NULL)
        add_transports(names, master_cf);
    return names;
}

void config_names_free(struct config_names *names)
{
    if (names == NULL)
        return;
    map_free(names->names);
    map_free(names->prefixes);
    free(names);
}

static bool is_transport_name(const struct config_names *names, const char *name)
{
    size_t length;
    char *key;
    bool found;

    if (catalog_transport_fallback(name, &length) == NULL)
        return false;
    key = memory_format("%.*s ", (int)length, name);
    found = map_get(names->names, key) != NULL;
    free(key);
    return found;
}

static bool is_table_setting(const struct config_names *names, const char *name)
{
    const char *prefix;

    for (size_t position = 0; map_next(names->prefixes, &position, &prefix, NULL);)
        if (string_starts(name, prefix) && name[strlen(prefix)] == '_')
            return true;
    return false;
}

bool config_names_have(const struct config_names *names, const char *name)
{
    return map_get(names->names, name) != NULL || is_transport_name(names, name) || is_table_setting(names, name);
}
