#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/service/internal.h"
#include "util/base/memory.h"

static void override_or_die(struct config *config, const char *assignment)
{
    struct error error;

    if (!config_override(config, assignment, &error))
        die("-o %s: %s", assignment, error.text);
}

static void set_name(struct config *config, const char *name, const char *value)
{
    char *assignment = memory_format("%s=%s", name, value);

    override_or_die(config, assignment);
    free(assignment);
}

struct config *service_read_arguments(const struct service *service, int argc, char **argv,
                                      struct service_arguments *arguments)
{
    const char *overrides[256];
    size_t override_count = 0;
    struct error error;
    struct config *config;
    int option, verbosity = 0;

    *arguments = (struct service_arguments){.session_limit = 0};
    while ((option = getopt(argc, argv, "n:t:ucm:k:lo:vDdS")) > 0) {
        switch (option) {
        case 'n': arguments->name = optarg; break;
        case 't': arguments->type = optarg; break;
        case 'u': arguments->unprivileged = true; break;
        case 'c': arguments->chroot = true; break;
        case 'm': arguments->session_limit = atol(optarg); break;
        case 'k': arguments->socket_count = atoi(optarg); break;
        case 'l': arguments->only_one = true; break;
        case 'v': verbosity++; break;
        case 'S': arguments->alone = service->serves_alone; break;
        case 'o':
            if (override_count == sizeof overrides / sizeof *overrides)
                die("more than %zu -o options", override_count);
            overrides[override_count++] = optarg;
            break;
        default: break; /* -D and -d: there is nothing to attach */
        }
    }
    if (arguments->alone)
        arguments->name = service->name;
    if (arguments->name == NULL)
        die("%s is a service: it is started by master, as master.cf says", service->name);
    log_set_verbosity(verbosity);
    config = config_load(config_directory_choose(NULL), &error);
    if (config == NULL)
        die("%s", error.text);
    set_name(config, "service_name", arguments->name);
    set_name(config, "process_name", service->name);
    for (size_t i = 0; i < override_count; i++)
        override_or_die(config, overrides[i]);
    return config;
}
