/* postfix tlsrpt: what was counted for reports on TLS, and sending them now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "cli/service_ask.h"
#include "mail/tlsrpt/report.h"
#include "util/base/log.h"

static const char usage[] = "usage: postfix tlsrpt show (or send) [domain]";

/* Endpoints and name servers may all have to be waited for. */
#define SEND_PATIENCE (900 * SECONDS)

/* ---- show ---- */

struct showing {
    struct tlsrpt_counts *counts;
    struct tlsrpt_reporter reporter;
    const char *only; /* NULL: every domain */
    struct error error;
};

static bool show_one(void *context, const struct tlsrpt_domain *domain)
{
    struct showing *showing = context;
    struct tlsrpt_sums sums;
    struct text json = {0};
    bool read = true;

    if (showing->only != NULL && !string_equal_ignore_case(showing->only, domain->domain))
        return true;
    read = tlsrpt_report_append(showing->counts, domain, &showing->reporter, &json, &sums, &showing->error);
    if (read)
        printf("%s\n", text_string(&json));
    text_free(&json);
    return read;
}

/* Each report as it would be sent now, one a line, the oldest first. */
static int show(struct postfix_command *command, const char *only)
{
    struct showing showing = {.only = only,
                              .reporter = {config_get(command->config, "tlsrpt_organization_name"),
                                           config_get(command->config, "tlsrpt_contact_info")}};

    if (!tlsrpt_counts_exist(command->mail.data_directory))
        return 0;
    showing.counts = tlsrpt_counts_open_to_read(command->mail.data_directory, &showing.error);
    if (showing.counts == NULL || !tlsrpt_counts_each(showing.counts, show_one, &showing, &showing.error) ||
        *showing.error.text != '\0')
        die("%s", showing.error.text);
    tlsrpt_counts_close(showing.counts);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- send ---- */

static int send_now(struct postfix_command *command, const char *only)
{
    const struct tlsrpt_send send = {.domain = only != NULL ? only : ""};
    const struct service_question question = {.path = IPC_SOCKET_TLSRPT,
                                              .protocol = IPC_PROTOCOL_TLSRPT,
                                              .patience = SEND_PATIENCE,
                                              .request = &ipc_tlsrpt_send,
                                              .reply = &ipc_tlsrpt_sent,
                                              .question = &send};
    struct arena *arena = arena_new();
    struct tlsrpt_sent sent;
    struct error error;

    if (chdir(command->mail.queue_directory) != 0)
        die("queue_directory = %s: %s", command->mail.queue_directory, strerror(errno));
    if (!service_ask(&question, &sent, arena, &error))
        die("the tlsrpt service does not answer (is it in master.cf, and does the mail system run?): %s", error.text);
    printf("%lld reports sent, %lld not wanted, %lld to be tried again\n", (long long)sent.sent, (long long)sent.unwanted,
           (long long)sent.failed);
    arena_free(arena);
    return sent.failed == 0 ? 0 : 1;
}

int postfix_tlsrpt(struct postfix_command *command)
{
    char **words = command->words;

    if (words[0] == NULL || (words[1] != NULL && words[2] != NULL))
        die("%s", usage);
    if (string_equal(words[0], "show"))
        return show(command, words[1]);
    if (string_equal(words[0], "send"))
        return send_now(command, words[1]);
    die("%s", usage);
}
