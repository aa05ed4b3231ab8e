#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

/* ---- master ---- */

static pid_t read_pid(int fd)
{
    char line[40] = "";
    ssize_t length = read(fd, line, sizeof line - 1);

    return length > 0 ? (pid_t)strtol(line, NULL, 10) : 0;
}

/* master holds a lock on the file as long as it runs; a number without a lock means nothing. */
pid_t postfix_master_pid(const struct postfix_command *command)
{
    char *path = memory_format("%s/%s/master.pid", command->mail.queue_directory, command->mail.process_id_directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    pid_t pid = 0;

    free(path);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0)
        pid = read_pid(fd);
    close(fd);
    return pid;
}

/* ---- its services, when master cannot be asked ---- */

static size_t read_file(const char *path, char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, bytes, size - 1) : 0;

    if (fd >= 0)
        close(fd);
    bytes[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

static bool has_variable(const char *process, const char *variable)
{
    char path[300], bytes[16384];
    size_t length;

    snprintf(path, sizeof path, "/proc/%s/environ", process);
    length = read_file(path, bytes, sizeof bytes);
    for (const char *entry = bytes; entry < bytes + length; entry += strlen(entry) + 1)
        if (string_equal(entry, variable))
            return true;
    return false;
}

/* A program of daemon_directory: an operator's shell may have MAIL_CONFIG set too. */
static bool is_service_program(const struct postfix_command *command, const char *process)
{
    char path[300], program[4096], *known;
    const char *name;
    ssize_t length;
    bool found = false;

    snprintf(path, sizeof path, "/proc/%s/exe", process);
    length = readlink(path, program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    name = strrchr(program, '/') + 1;
    snprintf(path, sizeof path, "%s/%.200s", command->mail.daemon_directory, name);
    known = realpath(path, NULL);
    found = known != NULL && string_equal(known, program) && !string_equal(name, "master");
    free(known);
    return found;
}

static int each_service(const struct postfix_command *command, int number)
{
    char *variable = memory_format("MAIL_CONFIG=%s", command->directory);
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    int count = 0;

    while (processes != NULL && (entry = readdir(processes)) != NULL) {
        if (!string_all_digits(entry->d_name) || !has_variable(entry->d_name, variable) ||
            !is_service_program(command, entry->d_name))
            continue;
        count++;
        if (number != 0)
            kill((pid_t)strtol(entry->d_name, NULL, 10), number);
    }
    if (processes != NULL)
        closedir(processes);
    free(variable);
    return count;
}

bool postfix_services_left(const struct postfix_command *command)
{
    return each_service(command, 0) > 0;
}

void postfix_services_signal(const struct postfix_command *command, int number)
{
    each_service(command, number);
}

/* ---- programs ---- */

int postfix_run_program(const char *path, char *const *arguments)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0) {
        execv(path, arguments);
        die("exec %s: %s", path, strerror(errno));
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
