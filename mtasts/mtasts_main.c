/* mtasts - finds and keeps the MTA-STS policies (RFC 8461) of domains that mail is sent to. */
#include <string.h>

#include "mail/service/service.h"
#include "mtasts/finder.h"
#include "util/base/memory.h"
#include "util/task/offload.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct mtasts_config, __VA_ARGS__)
#include "mtasts/mtasts.def"
#undef PARAMETER
};

static const struct parameter_set mtasts_parameters = PARAMETER_SET(parameters, struct mtasts_config);

struct mtasts {
    struct sts_source source;
    struct sts_finder *finder;
};

static void fetches_ended(void *environment)
{
    service_no_longer_busy(environment);
}

static bool speaks(const struct mail_config *mail, const char *protocol)
{
    return strstr(mail->inet_protocols, "all") != NULL || strstr(mail->inet_protocols, protocol) != NULL;
}

static bool mtasts_ready(struct service_environment *environment, struct error *error)
{
    const struct mail_config *mail = environment->mail;
    const struct mtasts_config *config = environment->parameters;
    struct mtasts *mtasts = memory_new(sizeof *mtasts);
    char *path = memory_format("%s/mtasts.lmdb", mail->data_directory);
    struct sts_cache *cache = sts_cache_open(path, (size_t)config->mtasts_cache_limit, error);

    if (cache == NULL)
        return false;
    mtasts->source = (struct sts_source){.config = config,
                                         .dns = dns_new(&(struct dns_settings){.servers = mail->dns_servers}, error),
                                         .ipv4 = speaks(mail, "ipv4"),
                                         .ipv6 = speaks(mail, "ipv6")};
    if (mtasts->source.dns == NULL)
        return false;
    offload_set_threads((int)config->mtasts_fetch_limit);
    mtasts->finder = sts_finder_new(&mtasts->source, cache, fetches_ended, environment);
    sts_finder_start_refreshing(mtasts->finder);
    environment->state = mtasts;
    return true;
}

static bool mtasts_busy(struct service_environment *environment)
{
    const struct mtasts *mtasts = environment->state;

    return mtasts != NULL && sts_finder_busy(mtasts->finder);
}

static void mtasts_call(struct service_environment *environment, struct call *call)
{
    const struct mtasts *mtasts = environment->state;
    struct arena *arena = arena_new();
    struct mtasts_find question;
    struct mtasts_policy answer;

    if (ipc_receive(call, &ipc_mtasts_find, &question, arena, deadline_in(environment->mail->ipc_timeout))) {
        sts_finder_find(mtasts->finder, question.domain, arena, &answer);
        ipc_send(call, &ipc_mtasts_policy, &answer);
    }
    arena_free(arena);
}

static const struct service mtasts = {
    .name = "mtasts",
    .parameters = &mtasts_parameters,
    .sandbox = SANDBOX_READ_ONLY, /* the store is open before */
    .ready = mtasts_ready,
    .call = mtasts_call,
    .busy = mtasts_busy,
    .protocol = IPC_PROTOCOL_MTASTS,
    .keep_running = true, /* policies are fetched anew in the background */
};

int main(int argc, char **argv)
{
    return service_main(&mtasts, argc, argv);
}
