/* postfix - starts, stops and looks after an instance (postfix(1)). */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static const struct {
    const char *name;
    int (*run)(struct postfix_command *command);
} commands[] = {
    {"start", postfix_start},
    {"start-fg", postfix_start_fg},
    {"stop", postfix_stop},
    {"abort", postfix_abort},
    {"drain", postfix_stop},
    {"flush", postfix_flush},
    {"reload", postfix_reload},
    {"status", postfix_status},
    {"check", postfix_check},
    {"set-permissions", postfix_set_permissions},
    {"upgrade-configuration", postfix_upgrade_configuration},
    {"logrotate", postfix_logrotate},
    {"tls", postfix_tls},
    {"tlsrpt", postfix_tlsrpt},
};

static int run_named(struct postfix_command *command, const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (string_equal(commands[i].name, name))
            return commands[i].run(command);
    die("unknown command: '%s'. Usage: postfix start (or stop, reload, abort, flush, check, status, set-permissions, "
        "upgrade-configuration, logrotate, tls, tlsrpt)", name);
}

/* Root, or the user whose instance it is. */
static void check_user(const struct mail_config *mail)
{
    const struct passwd *owner = getpwnam(mail->mail_owner);

    if (geteuid() == 0 || (owner != NULL && owner->pw_uid == geteuid()))
        return;
    log_error(NULL, "to submit mail, use the Postfix sendmail command");
    die("the postfix command is reserved for the superuser (and for the user that mail_owner names)");
}

static const char *absolute_directory(const char *directory)
{
    char *path = realpath(directory, NULL);

    return path != NULL ? path : memory_copy_string(directory); /* reading main.cf will say what is wrong */
}

/* A mistake in main.cf that has nothing to do with where things are must not keep an instance from being stopped;
 * start, check and reload find it. */
static void load(struct postfix_command *command)
{
    const struct mail_config *mail = &command->mail;
    struct error error;

    command->config = config_load(command->directory, &error);
    if (command->config == NULL)
        die("%s", error.text);
    if (!config_fill(command->config, &mail_parameters, &command->mail, &error) &&
        (mail->queue_directory == NULL || mail->process_id_directory == NULL || mail->daemon_directory == NULL ||
         mail->command_directory == NULL || mail->data_directory == NULL || mail->mail_owner == NULL ||
         mail->setgid_group == NULL || mail->syslog_name == NULL || mail->syslog_facility == NULL ||
         mail->maillog_file == NULL || mail->multi_instance_wrapper == NULL || mail->postlog_service_name == NULL))
        die("%s", error.text);
}

/* Programs that are started see only what import_environment lets through. */
static void set_environment(const struct postfix_command *command)
{
    const char *socket = getenv("NOTIFY_SOCKET");
    char *manager = socket != NULL ? memory_copy_string(socket) : NULL;

    config_clean_environment(command->config);
    if (manager != NULL) /* for master: the service manager waits for its word */
        setenv("NOTIFY_SOCKET", manager, 1);
    free(manager);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("MAIL_CONFIG", command->directory, 1);
}

/* On the first of several instances a command is for all of them, and their manager's to carry out. */
static void run_manager(const struct postfix_command *command, char **words)
{
    char *copy = memory_copy_string(command->mail.multi_instance_wrapper), *cursor = copy, *word;
    char **arguments = memory_new((strlen(copy) + 3 + (size_t)optind) * sizeof *arguments);
    size_t count = 0;

    while ((word = string_next_word(&cursor, " \t\r\n")) != NULL)
        arguments[count++] = word;
    if (count == 0)
        die("multi-instance support is requested, but multi_instance_wrapper is empty");
    for (size_t i = 0; words[i] != NULL; i++) {
        arguments = memory_resize(arguments, (count + 2) * sizeof *arguments);
        arguments[count++] = words[i];
    }
    arguments[count] = NULL;
    unsetenv("MAIL_CONFIG");
    execv(arguments[0], arguments);
    die("exec %s: %s", arguments[0], strerror(errno));
}

int main(int argc, char **argv)
{
    const struct log_settings to_stderr = {.tag = "postfix", .target = LOG_TARGET_STDERR};
    struct postfix_command command = {0};
    const char *directory = NULL;
    bool chosen = getenv("MAIL_CONFIG") != NULL;
    int option, verbosity = 0;

    log_open(&to_stderr);
    while ((option = getopt(argc, argv, "+c:Dv")) > 0) {
        switch (option) {
        case 'c': directory = optarg; break;
        case 'D': break; /* there is no debugger to start */
        case 'v': verbosity++; break;
        default: die("usage: postfix [-c config_dir] [-Dv] command");
        }
    }
    log_set_verbosity(verbosity);
    umask(022);
    command.directory = absolute_directory(config_directory_choose(directory));
    load(&command);
    check_user(&command.mail);
    set_environment(&command);
    if (chdir("/") != 0)
        die("chdir /: %s", strerror(errno));
    if (directory == NULL && !chosen && command.mail.multi_instance_directories != NULL &&
        *command.mail.multi_instance_directories != '\0')
        run_manager(&command, argv + optind);
    mail_config_open_command_log(&command.mail, "postfix-script");
    command.words = argv + (optind < argc ? optind + 1 : argc);
    exit(run_named(&command, optind < argc ? argv[optind] : ""));
}
