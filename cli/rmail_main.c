/* rmail - hands mail that came by UUCP to sendmail (rmail(1)). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "mail/config/mail_config.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

/* What the From_ lines said: mail for b came from c over h1 and h2 as
 *
 *     From b date remote from h1
 *     >From c date remote from h2
 *
 * the last host to pass it on first. */
struct origin {
    struct text path; /* "h1!h2!" */
    struct text user;
};

/* What stands behind "From " or ">From ", NULL when the line is no such line. */
static const char *from_words(const char *line)
{
    if (*line == '>')
        line++;
    return string_starts(line, "From ") ? line + strlen("From ") : NULL;
}

static void take_from_line(struct origin *origin, const char *line, const char *words)
{
    static const char separator[] = " remote from ";
    const char *host = strstr(words, separator);

    words += strspn(words, " \t");
    if (strcspn(words, " \t\r\n") == 0)
        die("corrupted From line: %.*s", (int)strcspn(line, "\r\n"), line);
    text_clear(&origin->user);
    text_append_bytes(&origin->user, words, strcspn(words, " \t\r\n"));
    if (host == NULL)
        return;
    host += strlen(separator);
    if (strcspn(host, " \t\r\n") == 0)
        return;
    text_append_bytes(&origin->path, host, strcspn(host, " \t\r\n"));
    text_append_char(&origin->path, '!');
}

/* Standard input, a line at a time. */
struct input {
    char *line;
    size_t room;
    ssize_t length; /* 0 or less: the end */
};

static bool next_line(struct input *input)
{
    input->length = getline(&input->line, &input->room, stdin);
    return input->length > 0;
}

/* Reads the From_ lines; the line after them is at hand then. */
static void read_origin(struct origin *origin, struct input *input)
{
    const char *words;

    log_set_exit_status(EX_DATAERR);
    while (next_line(input) && (words = from_words(input->line)) != NULL)
        take_from_line(origin, input->line, words);
    if (input->length <= 0)
        die("there is no message");
    if (origin->user.length == 0)
        die("missing or empty From line: %.*s", (int)strcspn(input->line, "\r\n"), input->line);
}

/* ---- sendmail ---- */

/* -G: none of the addresses in it are ours to complete. Recipients are no options, whatever they look like. */
static void run_sendmail(char *program, const struct origin *origin, char **recipients)
{
    char *const options[] = {program, (char[]){"-G"}, (char[]){"-i"}, (char[]){"-f"},
                             memory_format("%s%s", text_string(&origin->path), text_string(&origin->user)),
                             (char[]){"--"}};
    enum { OPTIONS = sizeof options / sizeof *options };
    size_t count = 0;
    char **arguments;

    while (recipients[count] != NULL)
        count++;
    arguments = memory_new((OPTIONS + count + 1) * sizeof *arguments);
    memcpy(arguments, options, sizeof options);
    memcpy(arguments + OPTIONS, recipients, count * sizeof *arguments);
    signal(SIGPIPE, SIG_DFL);
    execv(program, arguments);
    die("%s: %s", program, strerror(errno));
}

/* sendmail's process, which reads from *to. */
static pid_t start_sendmail(char *program, const struct origin *origin, char **recipients, int *to)
{
    int ends[2];
    pid_t pid;

    log_set_exit_status(EX_OSERR);
    if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        die("start %s: %s", program, strerror(errno));
    if (pid == 0) {
        if (dup2(ends[0], STDIN_FILENO) < 0)
            die("dup2: %s", strerror(errno));
        run_sendmail(program, origin, recipients);
    }
    close(ends[0]);
    *to = ends[1];
    return pid;
}

/* What sendmail does not take it has a reason for, which is its status. Half a message must not become one. */
static void copy_message(struct input *input, int to, pid_t pid)
{
    FILE *out = fdopen(to, "w");

    if (out == NULL)
        die("%s", strerror(errno));
    do
        if (fwrite(input->line, 1, (size_t)input->length, out) != (size_t)input->length)
            break;
    while (next_line(input));
    if (ferror(stdin)) {
        kill(pid, SIGKILL);
        die("read standard input: %s", strerror(errno));
    }
    fclose(out);
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die("wait: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_UNAVAILABLE;
}

static char *sendmail_path(void)
{
    struct mail_config mail;
    struct error error;
    struct config *config = config_load(config_directory_choose(NULL), &error);

    if (config == NULL || !config_fill(config, &mail_parameters, &mail, &error))
        die("%s", error.text);
    return memory_format("%s/sendmail", mail.command_directory);
}

static void usage(void)
{
    log_set_exit_status(EX_USAGE);
    die("usage: rmail [-T] [-D domain] user ...");
}

int main(int argc, char **argv)
{
    const struct log_settings to_stderr = {.tag = "rmail", .target = LOG_TARGET_STDERR};
    struct origin origin = {0};
    struct input input = {0};
    int option, to, status;
    char *program;
    pid_t pid;

    argv[0] = (char[]){"rmail"};
    log_open(&to_stderr);
    while ((option = getopt(argc, argv, "D:T")) > 0) /* of no consequence here */
        if (option == '?')
            usage();
    if (optind == argc)
        usage();
    signal(SIGPIPE, SIG_IGN);
    read_origin(&origin, &input);
    program = sendmail_path();
    pid = start_sendmail(program, &origin, argv + optind, &to);
    copy_message(&input, to, pid);
    status = wait_for(pid);
    text_free(&origin.path);
    text_free(&origin.user);
    free(input.line);
    free(program);
    return status;
}
