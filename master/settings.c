#include "master/settings.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct master_config, __VA_ARGS__)
#include "master/master.def"
#undef PARAMETER
};
static const struct parameter_set master_parameters = PARAMETER_SET(parameters, struct master_config);

struct complaints {
    struct error *error;
    bool refused;
};

/* A name that nobody uses does no harm; a value that is no number would keep a service from starting. */
static void hear_complaint(void *context, const char *file, int line, const char *complaint)
{
    struct complaints *complaints = context;

    if (string_starts(complaint, "unused parameter:"))
        return;
    if (!complaints->refused)
        error_set(complaints->error, "%s: line %d: %s", file, line, complaint);
    complaints->refused = true;
}

static bool check_values(const struct config *config, struct error *error)
{
    struct complaints complaints = {.error = error};

    config_check(config, hear_complaint, &complaints);
    return !complaints.refused;
}

static bool find_owner(struct settings *settings, struct error *error)
{
    const struct passwd *owner;

    settings->owned = geteuid() == 0;
    if (!settings->owned)
        return true;
    owner = getpwnam(settings->mail.mail_owner);
    if (owner == NULL)
        return error_set(error, "mail_owner = %s: no such user", settings->mail.mail_owner);
    settings->owner = owner->pw_uid;
    settings->owner_group = owner->pw_gid;
    return true;
}

struct settings *settings_load(const char *directory, struct error *error)
{
    struct settings *settings = memory_new(sizeof *settings);

    settings->config = config_load(directory, error);
    if (settings->config != NULL && check_values(settings->config, error) &&
        config_fill(settings->config, &mail_parameters, &settings->mail, error) &&
        config_fill(settings->config, &master_parameters, &settings->master, error) &&
        (settings->services = master_cf_load(settings->config, error)) != NULL && find_owner(settings, error))
        return settings;
    settings_free(settings);
    return NULL;
}

void settings_free(struct settings *settings)
{
    if (settings == NULL)
        return;
    master_cf_free(settings->services);
    if (settings->config != NULL)
        config_free(settings->config);
    free(settings);
}
