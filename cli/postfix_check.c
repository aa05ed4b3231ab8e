/* Whether the configuration could work; every mistake with its file and line. */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "mail/config/log_file.h"
#include "mail/config/master_cf.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

struct verdict {
    bool works;
    bool strictly; /* what keeps mail waiting counts too */
};

static void hear_main_cf(void *context, const char *file, int line, const char *complaint)
{
    struct verdict *verdict = context;

    if (string_starts(complaint, "unused parameter:")) {
        log_warning(NULL, "%s: line %d: %s", file, line, complaint);
        return;
    }
    log_error(NULL, "%s: line %d: %s", file, line, complaint);
    verdict->works = false;
}

static void hear_master_cf(void *context, const char *complaint)
{
    struct verdict *verdict = context;

    log_error(NULL, "%s", complaint);
    verdict->works = false;
}

/* Who starts the system wants what works of it; who changes it wants to know first. */
static void hear_value(void *context, enum postfix_severity severity, const char *complaint)
{
    struct verdict *verdict = context;

    if (severity == POSTFIX_WARNING || !verdict->strictly) {
        log_warning(NULL, "%s", complaint);
        return;
    }
    log_error(NULL, "%s", complaint);
    verdict->works = false;
}

static void fail(struct verdict *verdict, const struct postfix_command *command, const char *name, const char *value,
                 const char *complaint)
{
    log_error(NULL, "%s/main.cf: line %d: %s = %s: %s", command->directory, config_line(command->config, name), name,
              value, complaint);
    verdict->works = false;
}

static void check_owners(const struct postfix_command *command, struct verdict *verdict)
{
    const struct mail_config *mail = &command->mail;
    const struct passwd *owner = getpwnam(mail->mail_owner);

    if (owner == NULL)
        fail(verdict, command, "mail_owner", mail->mail_owner, "no such user");
    else if (geteuid() == 0 && owner->pw_uid == 0)
        fail(verdict, command, "mail_owner", mail->mail_owner, "must not be root");
    if (getgrnam(mail->setgid_group) == NULL)
        fail(verdict, command, "setgid_group", mail->setgid_group, "no such group");
    if (*mail->queue_directory != '/')
        fail(verdict, command, "queue_directory", mail->queue_directory, "an absolute path is wanted");
}

static void check_master(const struct postfix_command *command, struct verdict *verdict)
{
    char *path = memory_format("%s/master", command->mail.daemon_directory);

    if (access(path, X_OK) != 0)
        fail(verdict, command, "daemon_directory", command->mail.daemon_directory, "no program master there");
    free(path);
}

/* No reason not to start: lines go to syslog then. */
static void check_log_file(const struct postfix_command *command)
{
    struct error error;
    mode_t mode;

    if (*command->mail.maillog_file != '\0' && !log_file_allowed(&command->mail, &mode, &error))
        log_warning(NULL, "%s/main.cf: line %d: %s", command->directory, config_line(command->config, "maillog_file"),
                    error.text);
}

static bool has_service(const struct master_cf *master_cf, const char *name)
{
    for (size_t i = 0; i < master_cf->count; i++)
        if (master_cf->services[i].type == SERVICE_UNIX && string_equal(master_cf->services[i].name, name))
            return true;
    return false;
}

/* A master.cf from before may not have them; the rest works all the same. */
static void check_services(const struct postfix_command *command)
{
    static const struct {
        const char *parameter, *service, *otherwise;
    } needs[] = {
        {"smtp_mta_sts", "mtasts", "mail for domains waits"},
        {"smtp_tlsrpt_enable", "tlsrpt", "nothing is counted, nor reported"},
    };
    struct error error;
    struct master_cf *master_cf = master_cf_load(command->config, &error);

    for (size_t i = 0; master_cf != NULL && i < sizeof needs / sizeof *needs; i++)
        if (config_get_boolean(command->config, needs[i].parameter, false) && !has_service(master_cf, needs[i].service))
            log_warning(NULL, "%s/main.cf: line %d: %s = yes: %s/master.cf has no service \"%s\": %s", command->directory,
                        config_line(command->config, needs[i].parameter), needs[i].parameter, command->directory,
                        needs[i].service, needs[i].otherwise);
    master_cf_free(master_cf);
}

bool postfix_configuration_works(struct postfix_command *command, bool strictly)
{
    struct verdict verdict = {.works = true, .strictly = strictly};

    config_check(command->config, hear_main_cf, &verdict);
    master_cf_check(command->config, hear_master_cf, &verdict);
    postfix_check_values(command->config, hear_value, &verdict);
    check_owners(command, &verdict);
    check_master(command, &verdict);
    if (verdict.works) {
        check_log_file(command);
        check_services(command);
    }
    return verdict.works;
}

int postfix_check(struct postfix_command *command)
{
    if (!postfix_configuration_works(command, true) || !postfix_layout_create(command))
        return 1;
    postfix_layout_check(command);
    return 0;
}
