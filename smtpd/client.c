#include "smtpd/client.h"

#include <stdio.h>

/* A dead name server may keep a session from its first MAIL for so long, its greeting not at all. */
#define LOOKUP_LIMIT (10 * SECONDS)

void client_identify(struct smtp_session *session)
{
    struct client *client = &session->client;
    bool port = session->smtpd->config->smtpd_client_port_logging;

    client->identity = arena_format(session->arena, "%s[%s]%s%s", client->name.name, client->address_text,
                                    port ? ":" : "", port ? client->port : "");
}

static void report_mismatch(const struct client *client)
{
    if (client->name.reverse_status == DNS_OK && client->name.mismatch)
        log_warning(NULL, "hostname %s does not resolve to address %s", client->name.reverse_name,
                    client->address_text);
    else if (client->name.reverse_status == DNS_OK && client->name.status != DNS_OK)
        log_warning(NULL, "hostname %s does not resolve to address %s: %s", client->name.reverse_name,
                    client->address_text, client->name.status == DNS_TRY_AGAIN ? "try again" : "host not found");
}

static void run_lookup(void *argument)
{
    struct smtp_session *session = argument;
    struct client *client = &session->client;
    struct dns_client_name found;

    dns_client_lookup(session->smtpd->dns, &client->address, deadline_in(LOOKUP_LIMIT), session->arena, &found);
    if (!task_cancelled()) {
        client->name = found;
        report_mismatch(client);
    }
    client_identify(session);
    log_info(NULL, "connect from %s", client->identity);
    client->lookup = NULL;
    task_condition_wake_all(&client->looked_up);
}

void client_begin(struct smtp_session *session, const struct service_session *service_session)
{
    struct client *client = &session->client;
    struct net_address address = net_address_from_socket((const struct sockaddr *)&service_session->peer,
                                                         sizeof service_session->peer);

    client->by_network = service_session->peer.ss_family != AF_UNSPEC;
    if (!client->by_network) /* a UNIX socket, or sendmail -bs: who can come that way is this host */
        net_address_parse("127.0.0.1", &address);
    client->address = net_address_unmapped(&address);
    net_address_print(&client->address, client->address_text);
    snprintf(client->port, sizeof client->port, "%u", net_address_port(&client->address));
    client->name = (struct dns_client_name){.name = client->by_network ? "unknown" : "localhost",
                                            .reverse_name = client->by_network ? "unknown" : "localhost",
                                            .status = DNS_NOT_FOUND,
                                            .reverse_status = DNS_NOT_FOUND};
    task_condition_init(&client->looked_up);
    client_identify(session);
    if (client->by_network && session->smtpd->config->smtpd_peername_lookup)
        client->lookup = task_start(run_lookup, session);
    else
        log_info(NULL, "connect from %s", client->identity);
}

void client_wait(struct smtp_session *session)
{
    while (session->client.lookup != NULL)
        if (task_condition_wait(&session->client.looked_up, deadline_never()) == WAIT_CANCELLED)
            return;
}

void client_end(struct smtp_session *session)
{
    if (session->client.lookup != NULL)
        task_cancel(session->client.lookup);
    while (session->client.lookup != NULL)
        task_yield();
}
