/* postconf: which parameters there are, and their values. */
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "mail/config/catalog.h"
#include "mail/config/used.h"
#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"

/* All names that have a meaning; the value is the unexpanded default of a service's parameter, or "". */
struct names {
    const struct postconf *postconf;
    const struct config_names *used;
    struct map *defaults;
};

static void add_name(struct names *names, const char *name, const char *default_value)
{
    if (map_get(names->defaults, name) == NULL)
        map_set(names->defaults, name, memory_copy_string(default_value));
}

static void add_builtin(struct names *names)
{
    const struct parameter *parameter;

    for (size_t i = 0; (parameter = catalog_at(i)) != NULL; i++)
        add_name(names, parameter->name, "");
}

static void add_user_name(void *context, const char *name, const char *value)
{
    struct names *names = context;

    (void)value;
    if (map_get(names->defaults, name) == NULL && catalog_find(name) == NULL && config_names_have(names->used, name))
        add_name(names, name, "");
}

static bool is_delivery_agent(const char *program)
{
    static const char *const agents[] = {"error", "lmtp", "local", "pipe", "smtp", "virtual"};

    for (size_t i = 0; i < sizeof agents / sizeof *agents; i++)
        if (string_equal(program, agents[i]))
            return true;
    return false;
}

static void add_service_name(struct names *names, const char *service, const char *suffix, const char *fallback)
{
    char *name = memory_format("%s%s", service, suffix), *value = memory_format("$%s", fallback);

    if (catalog_find(name) == NULL)
        add_name(names, name, value);
    free(name);
    free(value);
}

/* TRANSPORT_suffix for each suffix that the catalog knows a fallback for. */
static void add_agent_names(struct names *names, const char *service)
{
    const struct parameter *parameter;

    for (size_t i = 0; (parameter = catalog_at(i)) != NULL; i++) {
        const char *suffix = string_starts(parameter->name, "default_") ? parameter->name + strlen("default") : "";
        char *name = memory_format("x%s%s", *suffix == '\0' ? "_" : suffix, *suffix == '\0' ? parameter->name : "");
        size_t stem;
        const char *fallback = catalog_transport_fallback(name, &stem);

        if (fallback != NULL && stem == 1 && string_equal(fallback, parameter->name) &&
            !string_equal(suffix, "_delivery_status_filter")) /* of these only the built-in ones are listed */
            add_service_name(names, service, name + 1, fallback);
        free(name);
    }
}

static void add_services(struct names *names)
{
    const struct master_cf *master_cf = names->postconf->master_cf;

    for (size_t i = 0; master_cf != NULL && i < master_cf->count; i++) {
        const struct master_service *service = &master_cf->services[i];

        if (is_delivery_agent(service->arguments[0]))
            add_agent_names(names, service->name);
        if (string_equal(service->arguments[0], "pipe") || string_equal(service->arguments[0], "spawn"))
            add_service_name(names, service->name, "_time_limit", "command_time_limit");
    }
}

static void collect(struct names *names, const struct postconf *postconf, int classes)
{
    struct config_names *used = config_names_new(postconf->config, postconf->master_cf);

    *names = (struct names){postconf, used, map_new()};
    if ((classes & CLASS_BUILTIN) != 0)
        add_builtin(names);
    if ((classes & CLASS_SERVICE) != 0)
        add_services(names);
    if ((classes & CLASS_USER) != 0) {
        struct names others = {postconf, used, map_new()};
        const char *name;
        void *value;

        /* A service's name is not the administrator's even when services are not asked for. */
        add_services(&others);
        config_each_setting(postconf->config, add_user_name, &others);
        for (size_t position = 0; map_next(others.defaults, &position, &name, &value);)
            if (*(char *)value == '\0')
                add_name(names, name, "");
        map_free_with(others.defaults, free);
    }
    config_names_free(used);
    names->used = NULL;
}

static void show(const struct names *names, const char *name)
{
    const struct postconf *postconf = names->postconf;
    const char *value = config_unexpanded(postconf->config, name);

    if (postconf->only_set && config_get_raw(postconf->config, name) == NULL)
        return;
    postconf_print(postconf, name, value != NULL ? value : map_get(names->defaults, name));
}

void postconf_show_all(const struct postconf *postconf)
{
    struct names names;
    const char **sorted;

    collect(&names, postconf, postconf->classes);
    sorted = map_sorted_keys(names.defaults);
    for (size_t i = 0; i < map_count(names.defaults); i++)
        show(&names, sorted[i]);
    free(sorted);
    map_free_with(names.defaults, free);
}

void postconf_show_named(const struct postconf *postconf, char *const *requests)
{
    struct names names;

    collect(&names, postconf, CLASS_ALL);
    for (; *requests != NULL; requests++) {
        if (map_get(names.defaults, *requests) != NULL)
            show(&names, *requests);
        else
            log_warning(NULL, "%s: unknown parameter", *requests);
    }
    map_free_with(names.defaults, free);
}
