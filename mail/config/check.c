/* The check of main.cf as a whole: names that nobody uses, values that their types refuse. */
#include <stdlib.h>
#include <string.h>

#include "mail/config/catalog.h"
#include "mail/config/config_internal.h"
#include "mail/config/expand.h"
#include "mail/config/master_cf.h"
#include "mail/config/used.h"

bool config_value_works(const struct config *config, const char *name, struct error *error)
{
    const struct parameter *parameter = catalog_find(name);
    struct parameter_value value;
    struct text expanded = {0};
    bool good;

    if (parameter == NULL || parameter->type == PARAMETER_raw)
        return true;
    good = config_append_value(config, name, 0, &expanded, error) || error_prefix(error, "%s: ", name);
    good = good && config_convert(parameter, text_string(&expanded), &value, error);
    text_free(&expanded);
    return good;
}

static void check_use(const struct config *config, const struct config_names *names, const struct setting *setting,
                      config_complaint_fn *complain, void *context)
{
    struct text complaint = {0};

    if (config_names_have(names, setting->name))
        return;
    text_append_format(&complaint, "unused parameter: %s=%s", setting->name, setting->value);
    complain(context, config->path, setting->line, text_string(&complaint));
    text_free(&complaint);
}

void config_check(const struct config *config, config_complaint_fn *complain, void *context)
{
    struct error error;
    struct master_cf *master_cf = master_cf_load(config, &error); /* its own complaints are another check's */
    struct config_names *names = config_names_new(config, master_cf);

    for (size_t i = 0; i < config->order_count; i++) {
        if (config->in_order[i]->line == 0)
            continue;
        check_use(config, names, config->in_order[i], complain, context);
        if (!config_value_works(config, config->in_order[i]->name, &error))
            complain(context, config->path, config->in_order[i]->line, error.text);
    }
    config_names_free(names);
    master_cf_free(master_cf);
}
