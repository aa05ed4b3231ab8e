/* start, stop and what lies between. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "util/base/clock.h"
#include "util/base/log.h"
#include "util/base/memory.h"

#define STOP_PATIENCE (12 * SECONDS) /* master itself kills what has not ended after 5 */
#define ABORT_PATIENCE (2 * SECONDS)

static char *master_path(const struct postfix_command *command)
{
    return memory_format("%s/master", command->mail.daemon_directory);
}

/* What a crash left half written goes, and files that a restored backup named wrongly are renamed. */
static void tidy_queue(const struct postfix_command *command)
{
    char *path = memory_format("%s/postsuper", command->mail.command_directory);
    char *arguments[] = {path, (char[]){"-c"}, memory_copy_string(command->directory), (char[]){"-ps"}, NULL};

    if (access(path, X_OK) == 0 && postfix_run_program(path, arguments) != 0)
        die("Postfix integrity check failed!");
    free(arguments[2]);
    free(path);
}

static void prepare_start(struct postfix_command *command)
{
    if (postfix_master_pid(command) != 0)
        die("the Postfix mail system is already running");
    if (!postfix_configuration_works(command, false) || !postfix_layout_create(command))
        die("Postfix integrity check failed!");
    postfix_layout_check(command);
    if (postfix_services_left(command)) /* a master was killed, and something of it hangs */
        postfix_services_signal(command, SIGKILL);
    tidy_queue(command);
    log_info(NULL, "starting the Postfix mail system");
}

int postfix_start(struct postfix_command *command)
{
    char *path = master_path(command);
    char *arguments[] = {path, (char[]){"-w"}, NULL};

    prepare_start(command);
    if (postfix_run_program(path, arguments) != 0)
        die("mail system startup failed");
    free(path);
    return 0;
}

int postfix_start_fg(struct postfix_command *command)
{
    char *path = master_path(command);
    char *arguments[] = {path, getpid() == 1 ? (char[]){"-i"} : (char[]){"-s"}, NULL};

    prepare_start(command);
    execv(path, arguments);
    die("exec %s: %s", path, strerror(errno));
}

static pid_t master_or_die(const struct postfix_command *command)
{
    pid_t pid = postfix_master_pid(command);

    if (pid == 0)
        die("the Postfix mail system is not running");
    return pid;
}

static bool is_over(const struct postfix_command *command)
{
    return postfix_master_pid(command) == 0;
}

static void wait_for_end(const struct postfix_command *command, duration patience, bool (*over)(
                                                                                       const struct postfix_command *))
{
    struct deadline deadline = deadline_in(patience);

    while (!over(command) && !deadline_passed(deadline))
        usleep(20000);
}

static bool nothing_left(const struct postfix_command *command)
{
    return is_over(command) && !postfix_services_left(command);
}

/* Master ends its services. When it does not, or when they do not, nothing is asked any more. */
static int end_all(struct postfix_command *command, const char *what, duration patience)
{
    pid_t pid = postfix_master_pid(command);

    if (pid == 0 && !postfix_services_left(command))
        die("the Postfix mail system is not running");
    log_info(NULL, "%s the Postfix mail system", what);
    if (pid != 0 && kill(pid, SIGTERM) != 0)
        die("kill %ld: %s", (long)pid, strerror(errno));
    wait_for_end(command, patience, is_over);
    if ((pid = postfix_master_pid(command)) != 0)
        kill(pid, SIGKILL);
    postfix_services_signal(command, SIGKILL);
    wait_for_end(command, STOP_PATIENCE, nothing_left);
    if (!nothing_left(command))
        die("processes of the mail system do not end");
    return 0;
}

int postfix_stop(struct postfix_command *command)
{
    return end_all(command, "stopping", STOP_PATIENCE);
}

int postfix_abort(struct postfix_command *command)
{
    return end_all(command, "aborting", ABORT_PATIENCE);
}

int postfix_reload(struct postfix_command *command)
{
    pid_t pid = master_or_die(command);

    if (!postfix_configuration_works(command, true))
        die("the running configuration stays");
    log_info(NULL, "refreshing the Postfix mail system");
    if (kill(pid, SIGHUP) != 0)
        die("kill %ld: %s", (long)pid, strerror(errno));
    return 0;
}

int postfix_status(struct postfix_command *command)
{
    pid_t pid = postfix_master_pid(command);

    if (pid == 0) {
        log_info(NULL, "the Postfix mail system is not running");
        return 1;
    }
    log_info(NULL, "the Postfix mail system is running: PID: %ld", (long)pid);
    return 0;
}

int postfix_flush(struct postfix_command *command)
{
    char *path = memory_format("%s/postqueue", command->mail.command_directory);
    char *arguments[] = {path, (char[]){"-c"}, memory_copy_string(command->directory), (char[]){"-f"}, NULL};

    execv(path, arguments);
    die("exec %s: %s", path, strerror(errno));
}

int postfix_settings_write(struct postfix_command *command)
{
    char *path = memory_format("%s/postconf", command->mail.command_directory);
    size_t count = 0;
    char **arguments;
    int status;

    while (command->words[count] != NULL)
        count++;
    arguments = memory_new((count + 5) * sizeof *arguments);
    arguments[0] = path;
    arguments[1] = (char[]){"-c"};
    arguments[2] = memory_copy_string(command->directory);
    arguments[3] = (char[]){"-e"};
    memcpy(arguments + 4, command->words, count * sizeof *arguments);
    status = count > 0 ? postfix_run_program(path, arguments) : 0;
    free(arguments[2]);
    free(arguments);
    free(path);
    return status;
}

/* Every released main.cf and master.cf works as it is. */
int postfix_upgrade_configuration(struct postfix_command *command)
{
    return postfix_settings_write(command);
}
