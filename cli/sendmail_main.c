/* sendmail - takes mail from programs of this host, and is mailq and newaliases as well (sendmail(1)). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/queue_command.h"
#include "cli/sendmail.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { ARGUMENTS = 16 };

/* -C takes main.cf as well as the directory that it is in. */
static const char *directory_of(const char *path)
{
    struct stat status;
    size_t length;
    char *directory;

    if (path == NULL)
        return NULL;
    length = strlen(path);
    if (string_ends(path, "/main.cf") && stat(path, &status) == 0 && S_ISREG(status.st_mode))
        length -= strlen("/main.cf");
    directory = memory_copy_bytes(path, length);
    return directory;
}

/* Another program of this system does it. Does not return. */
static void become(const char *directory, const char *name, const char *option, const char *argument, int verbosity)
{
    char *path = memory_format("%s/%s", directory, name);
    char *arguments[ARGUMENTS] = {memory_copy_string(name)};
    size_t count = 1;

    for (int i = 0; i < verbosity && count < ARGUMENTS / 2; i++)
        arguments[count++] = (char[]){"-v"};
    if (option != NULL)
        arguments[count++] = memory_copy_string(option);
    if (argument != NULL)
        arguments[count++] = memory_copy_string(argument);
    execv(path, arguments);
    log_set_exit_status(EX_OSERR);
    die("%s: %s", path, strerror(errno));
}

/* postalias takes the files as arguments. */
static int rebuild_aliases(const struct sendmail_request *request, const struct mail_config *mail)
{
    char *path = memory_format("%s/postalias", mail->command_directory);
    char *copy = memory_copy_string(request->aliases != NULL ? request->aliases : mail->alias_database);
    char *cursor = copy, *word, **arguments = memory_new((strlen(copy) / 2 + 4) * sizeof *arguments);
    size_t count = 0;

    arguments[count++] = path;
    arguments[count++] = (char[]){"--"};
    while ((word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        arguments[count++] = word;
    if (count == 2)
        return EX_OK; /* no alias file is no mistake */
    execv(path, arguments);
    log_set_exit_status(EX_OSERR);
    die("%s: %s", path, strerror(errno));
}

static void enter_queue(const struct mail_config *mail)
{
    if (chdir(mail->queue_directory) < 0)
        die("chdir %s: %s", mail->queue_directory, strerror(errno));
}

static int carry_out(const struct sendmail_request *request, const struct queue_command *command)
{
    const struct mail_config *mail = &command->mail;

    switch (request->mode) {
    case SENDMAIL_DELIVER: sendmail_submit(request, mail); break;
    case SENDMAIL_DAEMON: become(mail->command_directory, "postfix", "start", NULL, request->verbosity); break;
    case SENDMAIL_ALIASES: return rebuild_aliases(request, mail);
    case SENDMAIL_LIST: become(mail->command_directory, "postqueue", "-p", NULL, request->verbosity); break;
    case SENDMAIL_FLUSH: become(mail->command_directory, "postqueue", "-f", NULL, request->verbosity); break;
    case SENDMAIL_FLUSH_SITE: become(mail->command_directory, "postqueue", "-s", request->argument, request->verbosity); break;
    case SENDMAIL_FLUSH_ID: become(mail->command_directory, "postqueue", "-i", request->argument, request->verbosity); break;
    case SENDMAIL_SERVER: become(mail->daemon_directory, "smtpd", "-S", NULL, request->verbosity); break;
    default: break;
    }
    return EX_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;

    if (path == NULL || *path == '\0')
        return "sendmail";
    return slash != NULL ? slash + 1 : path;
}

/* Whatever reads 0, 1 or 2 later must not find a file of ours there. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(EX_OSERR);
}

int main(int argc, char **argv)
{
    struct sendmail_request request;
    struct queue_command command;
    char *name;
    int status;

    open_standard_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* a log that is too big is no reason not to take a message */
    name = memory_copy_string(base_name(argc > 0 ? argv[0] : NULL));
    if (argc == 0)
        die("no name was given");
    queue_command_start(&command, (char[]){"sendmail"}, argv);
    log_set_exit_status(EX_TEMPFAIL);
    sendmail_options(&request, name, argc, argv);
    if (request.full_name == NULL && getenv("NAME") != NULL && *getenv("NAME") != '\0')
        request.full_name = memory_copy_string(getenv("NAME")); /* the environment is cleaned soon */
    log_set_verbosity(request.verbosity > 1 ? request.verbosity - 1 : 0);
    queue_command_configure(&command, directory_of(request.directory));
    queue_command_check_user(&command, "authorized_submit_users", "submit mail");
    enter_queue(&command.mail);
    status = carry_out(&request, &command);
    queue_command_end(&command);
    free(name);
    return status;
}
