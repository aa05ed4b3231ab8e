/* master - the program that starts all others (master(8)). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/master.h"
#include "master/notify.h"
#include "master/pid_file.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum mode {
    MODE_DAEMON,     /* leaves terminal and session */
    MODE_FOREGROUND, /* -s: stays where it is, and keeps stdout for the log */
    MODE_INIT,       /* -i: as process 1 of a container */
    MODE_DEBUG,      /* -d: changes nothing */
};

struct options {
    enum mode mode;
    bool test; /* -t */
    bool wait; /* -w */
    const char *directory;
};

static struct options read_options(int argc, char **argv)
{
    struct options options = {.mode = MODE_DAEMON};
    int option, verbosity = 0;

    while ((option = getopt(argc, argv, "c:Dde:istvw")) > 0) {
        switch (option) {
        case 'c': options.directory = optarg; break;
        case 'd': options.mode = MODE_DEBUG; break;
        case 'i': options.mode = MODE_INIT; break;
        case 's': options.mode = MODE_FOREGROUND; break;
        case 't': options.test = true; break;
        case 'v': verbosity++; break;
        case 'w': options.wait = true; break;
        case 'D': case 'e': break;
        default: die("usage: %s [-c config_dir] [-d] [-i] [-s] [-t] [-v] [-w]", argv[0]);
        }
    }
    if (options.mode == MODE_INIT && getpid() != 1)
        die("-i is allowed only for PID 1 process");
    log_set_verbosity(verbosity);
    return options;
}

static char *absolute_directory(const char *directory)
{
    char *path = realpath(directory, NULL);

    if (path == NULL)
        die("configuration directory %s: %s", directory, strerror(errno));
    return path;
}

/* ---- becoming a daemon ---- */

/* -w: the parent waits until the child says that it runs, or dies. The child gets the descriptor to say it on. */
static int fork_and_wait(void)
{
    int ends[2], status;
    char byte;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0) {
        close(ends[0]);
        return ends[1];
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) == 1)
        _exit(0);
    waitpid(pid, &status, 0);
    _exit(1);
}

static void leave_terminal(enum mode mode)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0)
        die("open /dev/null: %s", strerror(errno));
    dup2(null, STDIN_FILENO);
    if (mode == MODE_DAEMON) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        setsid();
    }
    if (null > STDERR_FILENO)
        close(null);
}

static void fill_standard_descriptors(void)
{
    int fd;

    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        ;
    close(fd);
}

/* Services hold thousands of connections. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- start ---- */

static char *pid_path(const struct settings *settings)
{
    return memory_format("%s/%s/master.pid", settings->mail.queue_directory, settings->mail.process_id_directory);
}

static void open_first_log(void)
{
    const struct log_settings to_stderr = {.tag = "postfix/master", .target = LOG_TARGET_STDERR};

    log_open(&to_stderr);
}

static struct settings *load_or_die(const char *directory)
{
    struct error error;
    struct settings *settings = settings_load(directory, &error);

    if (settings == NULL)
        die("%s", error.text);
    return settings;
}

/* Services see what import_environment lets through, and where their configuration is. */
static void set_environment(struct master *master)
{
    const char *manager = getenv("NOTIFY_SOCKET");

    master->manager = manager != NULL ? memory_copy_string(manager) : NULL;
    config_clean_environment(master->settings->config);
    setenv("MAIL_CONFIG", master->directory, 1);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

static void on_signal(int number, void *context)
{
    struct master *master = context;

    if (number == SIGCHLD) {
        master_reap(master);
    } else if (number == SIGHUP) {
        master_reload(master);
    } else {
        log_info(NULL, "terminating on signal %d", number);
        master_stop(master);
    }
}

static void catch_signals(struct master *master)
{
    const int numbers[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        loop_signal(numbers[i], on_signal, master);
}

/* The lock first: a second master must not touch the sockets of the first. */
static void start(struct master *master, struct settings *settings)
{
    struct error error;
    char *path = pid_path(settings);

    if (chdir(settings->mail.queue_directory) != 0)
        die("queue_directory = %s: %s", settings->mail.queue_directory, strerror(errno));
    if (!pid_file_take(path, &error))
        die("%s", error.text);
    free(path);
    loop_start();
    list_init(&master->services);
    listener_table_init(&master->listeners);
    if (!master_apply(master, settings, &error))
        die("%s", error.text);
    set_environment(master);
    catch_signals(master);
}

/* MAINPID: it may have started the command postfix. */
static void tell_manager(const struct master *master)
{
    char *state = memory_format("READY=1\nMAINPID=%ld\nSTATUS=running", (long)getpid());

    notify_manager(master->manager, state);
    free(state);
}

int main(int argc, char **argv)
{
    struct master master = {0};
    struct options options;
    struct settings *settings;
    int waiting = -1;

    fill_standard_descriptors();
    open_first_log();
    options = read_options(argc, argv);
    master.directory = absolute_directory(config_directory_choose(options.directory));
    settings = load_or_die(master.directory);
    if (options.test)
        exit(pid_file_is_locked(pid_path(settings)) ? 1 : 0);
    umask(077);
    raise_descriptor_limit();
    if (options.wait)
        waiting = fork_and_wait();
    start(&master, settings);
    if (options.mode != MODE_DEBUG)
        leave_terminal(options.mode);
    log_info(NULL, "daemon started -- version %s, configuration %s", settings->mail.mail_version, master.directory);
    if (waiting >= 0 && write(waiting, "", 1) == 1)
        close(waiting);
    master_activate(&master);
    tell_manager(&master);
    loop_run();
    listener_table_close(&master.listeners);
    exit(0);
}
