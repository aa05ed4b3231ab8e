#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/sendmail.h"
#include "mail/queue/record.h"
#include "util/base/log.h"
#include "util/base/memory.h"

enum { FLUSH_SIZE = 64 * 1024, FILE_TOO_BIG = 4, ARGUMENTS = 16 };

struct postdrop {
    const char *who; /* "user(uid)" */
    char *program;
    pid_t pid;
    int to;
    FILE *from;
    struct text pending;
    bool broken;
};

static void run(const struct sendmail_request *request, const char *program, const int in[2], const int out[2])
{
    char *arguments[ARGUMENTS] = {memory_copy_string(program), (char[]){"-r"}};
    size_t count = 2;

    for (int i = 1; i < request->verbosity && count + 1 < ARGUMENTS; i++)
        arguments[count++] = (char[]){"-v"};
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0)
        execv(program, arguments);
    die("execute %s: %s", program, strerror(errno));
}

/* Reads "name", "value", ..., "" and returns the value of the wanted names. False: the list does not end. */
static bool read_attributes(struct postdrop *postdrop, const char *first, char **first_value, const char *second,
                            char **second_value)
{
    char *name = NULL, *value = NULL;
    size_t name_room = 0, value_room = 0;
    bool ended = false;

    while (!ended && getdelim(&name, &name_room, '\0', postdrop->from) > 0) {
        ended = *name == '\0';
        if (ended || getdelim(&value, &value_room, '\0', postdrop->from) <= 0)
            break;
        if (string_equal(name, first))
            *first_value = memory_copy_string(value);
        else if (string_equal(name, second))
            *second_value = memory_copy_string(value);
    }
    free(name);
    free(value);
    return ended;
}

static int wait_for_end(const struct postdrop *postdrop)
{
    int status;

    while (waitpid(postdrop->pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static void complain_of_end(const struct postdrop *postdrop, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        log_warning(NULL, "command \"%s -r\" exited with status %d", postdrop->program, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        log_warning(NULL, "command \"%s -r\" killed by signal %d", postdrop->program, WTERMSIG(status));
}

struct postdrop *postdrop_start(const struct sendmail_request *request, const struct mail_config *mail,
                                const char *who)
{
    struct postdrop *postdrop = memory_new(sizeof *postdrop);
    char *protocol = NULL, *id = NULL;
    int in[2], out[2];

    postdrop->who = who;
    postdrop->program = memory_format("%s/postdrop", mail->command_directory);
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        die("pipe: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    postdrop->pid = fork();
    if (postdrop->pid < 0)
        die("fork: %s", strerror(errno));
    if (postdrop->pid == 0)
        run(request, postdrop->program, in, out);
    close(in[0]);
    close(out[1]);
    postdrop->to = in[1];
    postdrop->from = fdopen(out[0], "r");
    if (postdrop->from == NULL || !read_attributes(postdrop, "protocol", &protocol, "queue_id", &id) ||
        protocol == NULL || !string_equal(protocol, "postdrop_protocol")) {
        complain_of_end(postdrop, wait_for_end(postdrop));
        die("%s: unable to execute %s -r: Application error", who, postdrop->program);
    }
    free(protocol);
    free(id);
    return postdrop;
}

static void flush(struct postdrop *postdrop)
{
    const char *bytes = text_string(&postdrop->pending);
    size_t left = postdrop->pending.length;

    while (!postdrop->broken && left > 0) {
        ssize_t written = write(postdrop->to, bytes, left);

        if (written < 0 && errno != EINTR)
            postdrop->broken = true; /* its status says why */
        else if (written > 0) {
            bytes += written;
            left -= (size_t)written;
        }
    }
    text_clear(&postdrop->pending);
}

void postdrop_put(struct postdrop *postdrop, int type, const char *data, size_t length)
{
    record_append(&postdrop->pending, type, data, length);
    if (postdrop->pending.length >= FLUSH_SIZE)
        flush(postdrop);
}

void postdrop_finish(struct postdrop *postdrop)
{
    char *status = NULL, *reason = NULL;
    bool heard;

    flush(postdrop);
    close(postdrop->to);
    heard = read_attributes(postdrop, "status", &status, "reason", &reason) && status != NULL;
    wait_for_end(postdrop);
    if (heard && string_equal(status, "0")) {
        free(status);
        free(reason);
        fclose(postdrop->from);
        free(postdrop->program);
        text_free(&postdrop->pending);
        free(postdrop);
        return;
    }
    if (reason != NULL && *reason != '\0')
        die("%s: %s", postdrop->who, reason);
    log_warning(NULL, "mail_stream_cleanup: close error");
    if (heard && strtol(status, NULL, 10) == FILE_TOO_BIG)
        die("%s: message file too big", postdrop->who);
    die("%s: queue file write error", postdrop->who);
}
