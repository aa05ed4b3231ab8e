#include "cli/queue_command.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mail/address/match_list.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

void queue_command_start(struct queue_command *command, char *name, char **argv)
{
    const struct log_settings to_stderr = {.tag = name, .target = LOG_TARGET_STDERR};

    argv[0] = name;
    *command = (struct queue_command){.name = name};
    log_open(&to_stderr);
}

static bool listed(const char *list, const char *directory)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        found = string_equal(word, directory);
    free(copy);
    return found;
}

/* Whoever runs a set-gid command must not choose what it obeys. */
static void check_directory(const char *directory)
{
    struct config *config;
    struct error error;
    const char *usual;

    unsetenv("MAIL_CONFIG"); /* the caller's choice, not the usual one */
    usual = config_directory_choose(NULL);
    if (getuid() == 0 || (getegid() == getgid() && geteuid() == getuid()) || string_equal(directory, usual))
        return;
    config = config_load(usual, &error);
    if (config == NULL)
        die("%s", error.text);
    if (!listed(config_get(config, "alternate_config_directories"), directory) &&
        !listed(config_get(config, "multi_instance_directories"), directory)) {
        log_error(NULL, "unauthorized configuration directory name: %s", directory);
        die("specify \"alternate_config_directories = %s\" or \"multi_instance_directories = %s\" in %s/main.cf",
            directory, directory, usual);
    }
    config_free(config);
}

void queue_command_configure_quietly(struct queue_command *command, const char *directory)
{
    struct error error;

    directory = config_directory_choose(directory);
    check_directory(directory);
    command->config = config_load(directory, &error);
    if (command->config == NULL || !config_fill(command->config, &mail_parameters, &command->mail, &error))
        die("%s", error.text);
    setenv("MAIL_CONFIG", directory, 1);
    config_clean_environment(command->config);
    command->layout = queue_layout_new(&command->mail);
}

void queue_command_configure(struct queue_command *command, const char *directory)
{
    queue_command_configure_quietly(command, directory);
    mail_config_open_tool_log(&command->mail, command->name);
}

void queue_command_enter_queue(struct queue_command *command)
{
    if (chdir(command->mail.queue_directory) < 0)
        die("chdir %s: %s", command->mail.queue_directory, strerror(errno));
}

void queue_command_end(struct queue_command *command)
{
    queue_layout_free(command->layout);
    config_free(command->config);
}

/* ---- who ---- */

static const char *user_name(void)
{
    const struct passwd *user = getpwuid(getuid());

    return user != NULL ? user->pw_name : "unknown";
}

static bool is_listed_user(const struct queue_command *command, const char *parameter)
{
    struct error error;
    struct match_list *users = match_list_new(config_get(command->config, parameter), 0, &error);
    bool is_listed;

    if (users == NULL)
        die("%s: %s", parameter, error.text);
    is_listed = match_list_string(users, user_name(), &error) == MATCH_YES;
    match_list_free(users);
    return is_listed;
}

void queue_command_check_user(const struct queue_command *command, const char *parameter, const char *what)
{
    if (!is_listed_user(command, parameter))
        die("User %s(%ld) is not allowed to %s", user_name(), (long)getuid(), what);
}

bool queue_command_may_suspend(const struct queue_command *command)
{
    return getuid() == 0 || string_equal(user_name(), command->mail.mail_owner) ||
           is_listed_user(command, "authorized_suspend_users");
}

/* ---- services ---- */

int queue_command_connect(const char *path)
{
    static const struct timeval patience = {.tv_sec = 10};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, reason;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) /* a service that hangs must not hold up whoever calls it */
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

bool queue_command_trigger(const char *path, const char *letters)
{
    int fd = queue_command_connect(path);
    bool sent;

    if (fd < 0)
        return false;
    sent = send(fd, letters, strlen(letters), MSG_NOSIGNAL) == (ssize_t)strlen(letters);
    close(fd);
    return sent;
}

bool queue_command_id_plausible(const char *id)
{
    size_t length = 0;

    while (ascii_is_alpha(id[length]) || ascii_is_digit(id[length]) || id[length] == '_')
        length++;
    return length > 0 && length < QUEUE_ID_SIZE && id[length] == '\0';
}
