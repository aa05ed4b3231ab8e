/* postconf: names that are used but never set, and set but never used. */
#include <stdlib.h>
#include <string.h>

#include "cli/postconf.h"
#include "mail/config/catalog.h"
#include "mail/config/expand.h"
#include "mail/config/used.h"
#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"

struct check {
    const struct postconf *postconf;
    const struct config_names *used;
    const char *file;
    struct map *own;  /* names that the service at hand sets itself; NULL: main.cf is at hand */
    struct map *said; /* undefined names, so that each is said once */
};

static bool is_defined(const struct check *check, const char *name)
{
    size_t stem;

    return config_unexpanded(check->postconf->config, name) != NULL ||
           catalog_transport_fallback(name, &stem) != NULL ||
           (check->own != NULL && map_get(check->own, name) != NULL);
}

static void check_reference(void *context, const char *name)
{
    struct check *check = context;

    if (is_defined(check, name) || map_get(check->said, name) != NULL)
        return;
    map_set(check->said, name, check);
    log_warning(NULL, "%s/%s: undefined parameter: %s", check->postconf->directory, check->file, name);
}

/* What some agent fills in at delivery, such as forward_path's $home, is no parameter. */
static void check_value(struct check *check, const char *name, const char *value)
{
    const struct parameter *parameter = catalog_find(name);

    if (parameter == NULL || parameter->type != PARAMETER_raw)
        expand_each_name(value, check_reference, check);
}

static void check_setting(void *context, const char *name, const char *value)
{
    struct check *check = context;

    if (config_names_have(check->used, name))
        check_value(check, name, value);
    else
        expand_each_name(value, check_reference, check);
}

void postconf_each_override(const struct master_service *service, config_setting_fn *setting, void *context)
{
    size_t position = 1;
    const char *assignment;

    while ((assignment = master_arguments_next_override(service->arguments, &position)) != NULL) {
        char *name = memory_copy_string(assignment), *equals = strchr(name, '=');

        if (equals != NULL) {
            *equals = '\0';
            setting(context, string_trim(name), string_trim(equals + 1));
        }
        free(name);
    }
}

static void note_own(void *context, const char *name, const char *value)
{
    struct check *check = context;

    (void)value;
    map_set(check->own, name, check);
}

static void check_override_references(void *context, const char *name, const char *value)
{
    check_value(context, name, value);
}

static void check_service(struct check *check, const struct master_service *service)
{
    check->own = map_new();
    postconf_each_override(service, note_own, check);
    postconf_each_override(service, check_override_references, check);
    map_free(check->own);
}

void postconf_warn_undefined(const struct postconf *postconf)
{
    struct check check = {.postconf = postconf, .file = "master.cf", .said = map_new()};
    struct config_names *used = config_names_new(postconf->config, postconf->master_cf);

    check.used = used;
    for (size_t i = 0; postconf->master_cf != NULL && i < postconf->master_cf->count; i++)
        check_service(&check, &postconf->master_cf->services[i]);
    check.file = "main.cf";
    check.own = NULL;
    config_each_setting(postconf->config, check_setting, &check);
    map_free(check.said);
    config_names_free(used);
}

static void warn_if_unused(void *context, const char *name, const char *value)
{
    const struct check *check = context;

    if (!config_names_have(check->used, name))
        log_warning(NULL, "%s/%s: unused parameter: %s=%s", check->postconf->directory, check->file, name, value);
}

void postconf_warn_unused(const struct postconf *postconf, bool main_cf_too)
{
    struct check check = {.postconf = postconf, .file = "main.cf"};
    struct config_names *used = config_names_new(postconf->config, postconf->master_cf);

    check.used = used;
    if (main_cf_too)
        config_each_setting(postconf->config, warn_if_unused, &check);
    check.file = "master.cf";
    for (size_t i = 0; postconf->master_cf != NULL && i < postconf->master_cf->count; i++)
        postconf_each_override(&postconf->master_cf->services[i], warn_if_unused, &check);
    config_names_free(used);
}
