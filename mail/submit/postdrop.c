#include "mail/submit/postdrop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mail/queue/record.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum { FLUSH_SIZE = 64 * 1024, FILE_TOO_BIG = 4, ARGUMENTS = 16 };

struct postdrop {
    char *program;
    char *queue_id;
    size_t line_limit;
    pid_t pid;
    int to;
    FILE *from;
    struct text pending;
    bool broken;
};

static void run(int verbosity, const char *program, const int in[2], const int out[2])
{
    char *arguments[ARGUMENTS] = {memory_copy_string(program), (char[]){"-r"}};
    size_t count = 2;

    for (int i = 0; i < verbosity && count + 1 < ARGUMENTS; i++)
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

static void free_postdrop(struct postdrop *postdrop)
{
    if (postdrop->from != NULL)
        fclose(postdrop->from);
    free(postdrop->program);
    free(postdrop->queue_id);
    text_free(&postdrop->pending);
    free(postdrop);
}

static bool start_process(struct postdrop *postdrop, int verbosity, struct error *error)
{
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return error_set(error, "pipe: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    postdrop->pid = fork();
    if (postdrop->pid < 0)
        return error_set(error, "fork: %s", strerror(errno));
    if (postdrop->pid == 0)
        run(verbosity, postdrop->program, in, out);
    close(in[0]);
    close(out[1]);
    postdrop->to = in[1];
    postdrop->from = fdopen(out[0], "r");
    return true;
}

struct postdrop *postdrop_start(const struct mail_config *mail, int verbosity, struct error *error)
{
    struct postdrop *postdrop = memory_new(sizeof *postdrop);
    char *protocol = NULL;

    postdrop->program = memory_format("%s/postdrop", mail->command_directory);
    postdrop->line_limit = (size_t)mail->line_length_limit;
    if (!start_process(postdrop, verbosity, error)) {
        free_postdrop(postdrop);
        return NULL;
    }
    if (postdrop->from == NULL ||
        !read_attributes(postdrop, "protocol", &protocol, "queue_id", &postdrop->queue_id) || protocol == NULL ||
        !string_equal(protocol, "postdrop_protocol")) {
        complain_of_end(postdrop, wait_for_end(postdrop));
        error_set(error, "unable to execute %s -r: Application error", postdrop->program);
        close(postdrop->to);
        free_postdrop(postdrop);
        postdrop = NULL;
    }
    free(protocol);
    return postdrop;
}

const char *postdrop_queue_id(const struct postdrop *postdrop)
{
    return postdrop->queue_id != NULL ? postdrop->queue_id : "";
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

void postdrop_put_string(struct postdrop *postdrop, int type, const char *string)
{
    postdrop_put(postdrop, type, string, strlen(string));
}

void postdrop_put_attribute(struct postdrop *postdrop, const char *name, const char *value)
{
    char *attribute = memory_format("%s=%s", name, value);

    postdrop_put_string(postdrop, RECORD_ATTRIBUTE, attribute);
    free(attribute);
}

void postdrop_put_number(struct postdrop *postdrop, const char *name, int value)
{
    char number[16];

    snprintf(number, sizeof number, "%d", value);
    if (value != 0)
        postdrop_put_attribute(postdrop, name, number);
}

void postdrop_put_line(struct postdrop *postdrop, const char *line, size_t length, bool ends)
{
    size_t limit = postdrop->line_limit;

    for (; length > limit; line += limit, length -= limit)
        postdrop_put(postdrop, RECORD_LINE_PART, line, limit);
    postdrop_put(postdrop, ends ? RECORD_LINE : RECORD_LINE_PART, line, length);
}

/* ---- the end ---- */

static enum postdrop_status judge(const char *status, const char *reason, struct error *error)
{
    if (status != NULL && string_equal(status, "0"))
        return POSTDROP_OK;
    if (reason != NULL && *reason != '\0') {
        error_set(error, "%s", reason);
        return POSTDROP_REFUSED;
    }
    log_warning(NULL, "mail_stream_cleanup: close error");
    if (status != NULL && strtol(status, NULL, 10) == FILE_TOO_BIG)
        return POSTDROP_TOO_BIG;
    error_set(error, "queue file write error");
    return POSTDROP_FAILED;
}

enum postdrop_status postdrop_finish(struct postdrop *postdrop, struct error *error)
{
    char *status = NULL, *reason = NULL;
    enum postdrop_status judgement;
    bool heard;

    flush(postdrop);
    close(postdrop->to);
    heard = read_attributes(postdrop, "status", &status, "reason", &reason);
    wait_for_end(postdrop);
    judgement = judge(heard ? status : NULL, heard ? reason : NULL, error);
    free(status);
    free(reason);
    free_postdrop(postdrop);
    return judgement;
}

/* What it was not told is missing, so that there is no message. */
void postdrop_abandon(struct postdrop *postdrop)
{
    close(postdrop->to);
    wait_for_end(postdrop);
    free_postdrop(postdrop);
}
