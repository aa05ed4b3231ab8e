/* smtp, lmtp - delivers mail to other hosts over SMTP, to mail stores over LMTP. Each call is one message for one next
 * hop. Which of the two it is, the name says by which the program was started. */
#include <sys/prctl.h>

#include "mail/delivery/delivery.h"
#include "mail/sasl/saslprep.h"
#include "mail/service/service.h"
#include "smtp/cache.h"
#include "smtp/config.h"
#include "smtp/deliver.h"
#include "smtp/tls.h"
#include "smtp/tls_report.h"
#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/net/ascii_name.h"

static void done(void *environment)
{
    service_no_longer_busy(environment);
}

/* environment->state, from the start on. */
struct process {
    struct smtp_tls *tls;
    struct smtp_client *client; /* NULL until the process is ready */
};

/* Logins, and policies of next hops (requiretls.h), may be beyond ASCII. Where libraries can be loaded when they are, most
 * processes never need them. */
static void load_libraries(const struct smtp_config *config)
{
    if (config->sasl_auth_enable && !saslprep_load())
        log_warning(NULL, "ICU cannot be loaded: logins beyond ASCII will fail");
    net_name_prepare();
}

/* Still privileged: private keys are read. */
static bool client_start(struct service_environment *environment, bool lmtp, struct error *error)
{
    struct process *process = memory_new(sizeof *process);

    environment->state = process;
    if (environment->chrooted)
        load_libraries(environment->parameters);
    process->tls = smtp_tls_new(environment->config, environment->parameters, lmtp, error);
    return process->tls != NULL;
}

static bool smtp_start(struct service_environment *environment, struct error *error)
{
    return client_start(environment, false, error);
}

static bool lmtp_start(struct service_environment *environment, struct error *error)
{
    return client_start(environment, true, error);
}

static bool client_ready(struct service_environment *environment, bool lmtp, struct error *error)
{
    struct process *process = environment->state;
    struct smtp_client *client =
        smtp_client_new(environment->config, environment->mail, environment->parameters, lmtp, error);

    if (client == NULL)
        return false;
    if (key_files_named(process->tls->keys))
        prctl(PR_SET_DUMPABLE, 0); /* no core file may hold them */
    client->cache = smtp_cache_new(client, done, environment);
    client->reporter = smtp_reporter_new(client, done, environment);
    client->tls = process->tls;
    process->client = client;
    return true;
}

/* Servers are said goodbye to before the process ends, and how TLS fared is told. */
static bool client_busy(struct service_environment *environment)
{
    const struct smtp_client *client = ((const struct process *)environment->state)->client;

    return client != NULL && (!smtp_cache_empty(client->cache) || smtp_reporter_busy(client->reporter));
}

static bool smtp_ready(struct service_environment *environment, struct error *error)
{
    return client_ready(environment, false, error);
}

static bool lmtp_ready(struct service_environment *environment, struct error *error)
{
    return client_ready(environment, true, error);
}

static void client_call(struct service_environment *environment, struct call *call)
{
    struct delivery *delivery = delivery_begin(environment, call);

    if (delivery == NULL)
        return;
    smtp_deliver(((const struct process *)environment->state)->client, delivery);
    delivery_end(delivery);
}

static const struct service smtp = {
    .name = "smtp",
    .parameters = &smtp_parameters,
    .start = smtp_start,
    .ready = smtp_ready,
    .call = client_call,
    .busy = client_busy,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

static const struct service lmtp = {
    .name = "lmtp",
    .parameters = &lmtp_parameters,
    .start = lmtp_start,
    .ready = lmtp_ready,
    .call = client_call,
    .busy = client_busy,
    .protocol = IPC_PROTOCOL_DELIVERY,
    .one_channel = true,
};

int main(int argc, char **argv)
{
    return service_main(string_ends(argv[0], "lmtp") ? &lmtp : &smtp, argc, argv);
}
