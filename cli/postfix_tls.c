/* postfix tls: which subcommands there are, and those that look after main.cf (postfix-tls(1)). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postconf.h"
#include "cli/postfix_tls.h"
#include "mail/config/catalog.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const char usage[] = "usage: postfix tls status (or enable-client, enable-server, new-server-key, new-server-cert, "
                            "deploy-server-cert, output-server-csr, output-server-tlsa, all-default-client, "
                            "all-default-server)";

/* ---- is anything set? ---- */

/* smtp_tls_*, smtp_use_tls, smtp_enforce_tls and the like; how much is logged says nothing. */
static bool is_about_tls(const char *name, const char *side)
{
    size_t length = strlen(side);

    if (strncmp(name, side, length) != 0 || name[length] != '_')
        return false;
    name += length + 1;
    return strcmp(name, "tls_loglevel") != 0 &&
           (string_starts(name, "tls_") || string_starts(name, "use_tls") || string_starts(name, "enforce_tls"));
}

static bool all_default(const struct postfix_command *command, const char *side)
{
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct parameter *parameter = catalog_at(i);
        const char *set = config_get_raw(command->config, parameter->name);

        if (set != NULL && is_about_tls(parameter->name, side) && strcmp(set, parameter->default_value) != 0)
            return false;
    }
    return true;
}

static int all_default_client(struct postfix_command *command)
{
    return all_default(command, "smtp") ? 0 : 1;
}

static int all_default_server(struct postfix_command *command)
{
    return all_default(command, "smtpd") ? 0 : 1;
}

/* ---- switching it on ---- */

static void say_reload(void)
{
    log_info(NULL, "Run the command:");
    log_info(NULL, "  # postfix reload");
    log_info(NULL, "if you want the new settings to take effect immediately.");
}

/* With -r, tls_random_source too. */
static void set(const struct postfix_command *command, const char *source, const char *const *settings, size_t count)
{
    char **requests = memory_new((count + 2) * sizeof *requests);

    for (size_t i = 0; i < count; i++)
        requests[i] = memory_copy_string(settings[i]);
    if (source != NULL)
        requests[count++] = memory_format("tls_random_source=%s", source);
    postconf_edit_main_cf(command->directory, EDIT_SET, requests);
    for (size_t i = 0; i < count; i++)
        free(requests[i]);
    free(requests);
}

static int enable_client(struct postfix_command *command)
{
    static const char *const settings[] = {"smtp_tls_security_level=may", "smtp_tls_loglevel=1",
                                           "smtp_tls_session_cache_database=lmdb:${data_directory}/smtp_scache"};
    char **arguments = command->words;
    const char *source = NULL;

    if (*arguments != NULL && string_equal(*arguments, "-r") && arguments[1] != NULL) {
        source = arguments[1];
        arguments += 2;
    }
    if (*arguments != NULL)
        die("usage: postfix tls enable-client [-r devrandom]");
    if (!all_default(command, "smtp")) {
        log_info(NULL, "*** Non-default SMTP client TLS settings detected, no changes made.");
        log_info(NULL, "For opportunistic TLS in the Postfix SMTP client, the below settings");
        log_info(NULL, "are typical:");
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
            log_info(NULL, "  %.*s = %s", (int)strcspn(settings[i], "="), settings[i], strchr(settings[i], '=') + 1);
        return 0;
    }
    set(command, source, settings, sizeof settings / sizeof *settings);
    log_info(NULL, "Enabled opportunistic TLS in the Postfix SMTP client.");
    say_reload();
    return 0;
}

static int explain_server(void)
{
    log_info(NULL, "*** Non-default SMTP server TLS settings detected, no changes made.");
    log_info(NULL, "For opportunistic TLS in the Postfix SMTP server, the below settings");
    log_info(NULL, "are typical:");
    log_info(NULL, "  smtpd_tls_security_level = may");
    log_info(NULL, "  smtpd_tls_loglevel = 1");
    log_info(NULL, "You can use \"postfix tls new-server-cert\" to create a new certificate.");
    log_info(NULL, "Or, \"postfix tls new-server-key\" to also force a new private key.");
    log_info(NULL, "If you publish DANE TLSA records, see:");
    log_info(NULL, "  https://tools.ietf.org/html/rfc7671#section-8");
    log_info(NULL, "  https://tools.ietf.org/html/rfc7671#section-5.1");
    log_info(NULL, "  https://tools.ietf.org/html/rfc7671#section-5.2");
    return 0;
}

static int enable_server(struct postfix_command *command)
{
    static const char *const settings[] = {"smtpd_tls_security_level=may", "smtpd_tls_loglevel=1",
                                           "smtpd_tls_received_header=yes"};
    const char *source = NULL, *algorithm = "rsa", *size = NULL;
    char **arguments = command->words;

    for (; *arguments != NULL && **arguments == '-' && arguments[1] != NULL; arguments += 2) {
        if (string_equal(*arguments, "-r"))
            source = arguments[1];
        else if (string_equal(*arguments, "-a"))
            algorithm = arguments[1];
        else if (string_equal(*arguments, "-b"))
            size = arguments[1];
        else
            break;
    }
    if (*arguments != NULL && **arguments == '-')
        die("usage: postfix tls enable-server [-r devrandom] [-a algorithm] [-b bits] [hostname...]");
    if (!all_default(command, "smtpd"))
        return explain_server();
    tls_enable_new_key(command, algorithm, size, arguments);
    set(command, source, settings, sizeof settings / sizeof *settings);
    log_info(NULL, "Enabled opportunistic TLS in the Postfix SMTP server");
    say_reload();
    return 0;
}

/* ---- the subcommands ---- */

static const struct {
    const char *name;
    int (*run)(struct postfix_command *command);
} subcommands[] = {
    {"status", tls_status},
    {"all-default-client", all_default_client},
    {"all-default-server", all_default_server},
    {"enable-client", enable_client},
    {"enable-server", enable_server},
    {"new-server-key", tls_new_server_key},
    {"new-server-cert", tls_new_server_cert},
    {"deploy-server-cert", tls_deploy_server_cert},
    {"output-server-csr", tls_output_server_csr},
    {"output-server-tlsa", tls_output_server_tlsa},
};

int postfix_tls(struct postfix_command *command)
{
    const char *name = *command->words;

    mail_config_open_command_log(&command->mail, "postfix-tls-script");
    for (size_t i = 0; name != NULL && i < sizeof subcommands / sizeof *subcommands; i++)
        if (string_equal(subcommands[i].name, name)) {
            command->words++;
            return subcommands[i].run(command);
        }
    log_error(NULL, "unknown tls command: '%s'", name != NULL ? name : "");
    die("%s", usage);
}
