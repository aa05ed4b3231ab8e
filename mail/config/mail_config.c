#include "mail/config/mail_config.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "mail/config/log_file.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct mail_config, __VA_ARGS__)
#include "mail/config/mail.def"
#undef PARAMETER
};
const struct parameter_set mail_parameters = PARAMETER_SET(parameters, struct mail_config);

static int facility_named(const char *name)
{
    static const struct {
        const char *name;
        int facility;
    } facilities[] = {
        {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
        {"ftp", LOG_FTP},       {"kern", LOG_KERN},         {"lpr", LOG_LPR},       {"mail", LOG_MAIL},
        {"news", LOG_NEWS},     {"syslog", LOG_SYSLOG},     {"user", LOG_USER},     {"uucp", LOG_UUCP},
        {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
        {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},     {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
    };

    for (size_t i = 0; i < sizeof facilities / sizeof *facilities; i++)
        if (string_equal(name, facilities[i].name))
            return facilities[i].facility;
    log_warning(NULL, "unknown syslog_facility \"%s\"; using \"mail\"", name);
    return LOG_MAIL;
}

static void open_log(const struct mail_config *mail, const char *service, bool directly, bool also_stderr,
                     const char *stderr_tag)
{
    char *tag = memory_format("%s/%s", mail->syslog_name, service);
    char *socket_path = memory_format("%s/public/%s", mail->queue_directory, mail->postlog_service_name);
    struct error error;
    mode_t mode = 0;
    struct log_settings settings = {
        .tag = tag,
        .target = *mail->maillog_file != '\0' ? LOG_TARGET_SOCKET : LOG_TARGET_SYSLOG,
        .facility = facility_named(mail->syslog_facility),
        .socket_path = socket_path,
        .file_path = directly && log_file_allowed(mail, &mode, &error) ? mail->maillog_file : NULL,
        .also_stderr = also_stderr,
        .stderr_tag = stderr_tag,
    };

    settings.file_mode = mode;
    log_open(&settings);
    free(tag);
    free(socket_path);
}

void mail_config_open_log(const struct config *config, const struct mail_config *mail, const char *service)
{
    (void)config;
    open_log(mail, service, false, false, NULL);
}

/* A command's stdout is not the system's. */
void mail_config_open_command_log(const struct mail_config *mail, const char *command)
{
    open_log(mail, command, !string_starts(mail->maillog_file, "/dev/"), true, NULL);
}

void mail_config_open_tool_log(const struct mail_config *mail, const char *command)
{
    open_log(mail, command, !string_starts(mail->maillog_file, "/dev/"), true, command);
}

void mail_config_open_master_log(const struct mail_config *mail)
{
    open_log(mail, "master", true, false, NULL);
}

struct config *mail_config_load_or_die(const char *directory)
{
    struct error error;
    struct config *config = config_load(config_directory_choose(directory), &error);

    if (config == NULL)
        die("%s", error.text);
    config_clean_environment(config);
    return config;
}
