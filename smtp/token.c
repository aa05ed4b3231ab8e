#include "smtp/token.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/base/map.h"
#include "util/base/memory.h"
#include "util/task/stream.h"

enum { TOKEN_LIMIT = 16 * 1024 };

/* A token is not used any more when it is about to expire. */
#define EXPIRY_MARGIN (30 * SECONDS)
/* How long the command may take to end when it has said all. */
#define END_LIMIT (5 * SECONDS)

struct token_source {
    char **arguments, **variables;
    duration timeout;
    struct map *tokens; /* by user and host */
};

struct token {
    struct text text;
    int64_t expires; /* on the monotonic clock */
    bool fetching;
    struct task_condition fetched;
};

/* ---- the command ---- */

static char **split(const char *text, const char *separators)
{
    char *copy = memory_copy_string(text), *cursor = copy, *word;
    char **words = memory_new(sizeof *words);
    size_t count = 0;

    while ((word = string_next_word_braced(&cursor, separators)) != NULL) {
        words = memory_resize(words, (count + 2) * sizeof *words);
        words[count++] = memory_copy_string(word);
        words[count] = NULL;
    }
    free(copy);
    return words;
}

/* In place: names become NAME=VALUE, those that are not set go. */
static void fill_in(char **names)
{
    char **kept = names;

    for (; *names != NULL; names++) {
        const char *value = getenv(*names);
        char *name = *names;

        if (strchr(name, '=') != NULL) {
            *kept++ = name;
            continue;
        }
        if (value != NULL)
            *kept++ = memory_format("%s=%s", name, value);
        free(name);
    }
    *kept = NULL;
}

struct token_source *token_source_new(const char *command, const char *environment, duration timeout,
                                      struct error *error)
{
    struct token_source *source = memory_new(sizeof *source);

    source->arguments = split(command, " \t\r\n");
    source->variables = split(environment, " \t\r\n,");
    source->timeout = timeout;
    source->tokens = map_new();
    fill_in(source->variables);
    if (*source->arguments != NULL && **source->arguments == '/')
        return source;
    error_set(error, "%s: the first word has to be an absolute path", command);
    return NULL;
}

/* ---- running it ---- */

static bool start(const struct token_source *source, int input, int output, pid_t *pid, struct error *error)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t pipe;
    int failure;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &pipe);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    failure = posix_spawn(pid, source->arguments[0], &actions, &attributes, source->arguments, source->variables);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failure == 0 || error_set(error, "%s: %s", source->arguments[0], strerror(failure));
}

/* Waits for its end; after END_LIMIT, or at once with `kill_now`, it and its children are killed. */
static bool ended_well(pid_t pid, bool kill_now, struct error *error)
{
    struct deadline deadline = deadline_in(END_LIMIT);
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (kill_now || deadline_passed(deadline) || task_sleep(10 * MILLISECONDS) == WAIT_CANCELLED) {
            kill(-pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
    }
    if (kill_now)
        return false;
    if (WIFSIGNALED(status))
        return error_set(error, "it was ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status) == 0 || error_set(error, "it ended with status %d", WEXITSTATUS(status));
}

static void print_request(const struct token_request *request, struct text *out)
{
    text_reserve(out, 64 + strlen(request->username) + strlen(request->host) + strlen(request->secret));
    text_append_format(out, "username=%s\nhost=%s\nsecret=%s\n\n", request->username, request->host, request->secret);
}

static bool token_valid(const struct text *line)
{
    for (size_t i = 0; i < line->length; i++)
        if (!ascii_is_printable(line->data[i]) || line->data[i] == ' ')
            return false;
    return line->length > 0;
}

/* The first line into text, the second, if there is one, into lifetime. */
static bool read_token(struct stream *output, struct text *text, duration *lifetime, struct error *error)
{
    struct text line = {0};
    enum stream_status status;

    text_reserve(text, TOKEN_LIMIT + 1);
    status = stream_read_line(output, text, TOKEN_LIMIT, NULL);
    if (status == STREAM_TIMEOUT)
        return error_set(error, "it takes too long");
    if (status != STREAM_OK || !token_valid(text))
        return error_set(error, "it does not print a token on a line of its own");
    *lifetime = 0;
    if (stream_read_line(output, &line, 20, NULL) == STREAM_OK && string_all_digits(text_string(&line)) &&
        line.length < 10)
        *lifetime = strtol(line.data, NULL, 10) * SECONDS;
    text_free(&line);
    return true;
}

static bool converse(const struct token_source *source, const struct token_request *request, int input[2],
                     int output[2], struct text *token, duration *lifetime, struct error *error)
{
    struct text question = {0};
    struct stream *answers;
    bool good;
    pid_t pid;

    if (!start(source, input[0], output[1], &pid, error))
        return false;
    close(input[0]);
    close(output[1]);
    print_request(request, &question);
    fcntl(input[1], F_SETFL, O_NONBLOCK);
    good = write(input[1], question.data, question.length) == (ssize_t)question.length;
    text_wipe(&question);
    close(input[1]);
    answers = stream_new(output[0]);
    stream_set_deadline(answers, deadline_in(source->timeout));
    /* One that reads nothing may know its answer without. */
    good = (good || errno == EPIPE || error_set(error, "the question is too long")) &&
           read_token(answers, token, lifetime, error);
    stream_free(answers);
    input[0] = input[1] = output[0] = output[1] = -1;
    return ended_well(pid, !good, error) && good;
}

static bool run(const struct token_source *source, const struct token_request *request, struct text *token,
                duration *lifetime, struct error *error)
{
    int pipes[4] = {-1, -1, -1, -1};
    bool good;

    good = (pipe2(pipes, O_CLOEXEC) == 0 && pipe2(pipes + 2, O_CLOEXEC) == 0) ||
           error_set(error, "pipe: %s", strerror(errno));
    good = good && converse(source, request, pipes, pipes + 2, token, lifetime, error);
    for (int i = 0; i < 4; i++)
        if (pipes[i] >= 0)
            close(pipes[i]);
    return good || error_prefix(error, "%s: ", source->arguments[0]);
}

/* ---- keeping tokens ---- */

static struct token *find(struct token_source *source, const struct token_request *request)
{
    char *key = memory_format("%s\n%s", request->username, request->host);
    struct token *token = map_get(source->tokens, key);

    if (token == NULL) {
        token = memory_new(sizeof *token);
        task_condition_init(&token->fetched);
        map_set(source->tokens, key, token);
    }
    free(key);
    return token;
}

static void replace(struct token *token, const struct text *text, duration lifetime)
{
    text_wipe(&token->text);
    text_reserve(&token->text, text->length);
    text_append_bytes(&token->text, text->data, text->length);
    token->expires = clock_monotonic() + lifetime - EXPIRY_MARGIN;
}

bool token_get(struct token_source *source, const struct token_request *request, struct text *text,
               struct error *error)
{
    struct token *token = find(source, request);
    duration lifetime = 0;
    bool good;

    while (token->fetching)
        if (task_condition_wait(&token->fetched, deadline_never()) == WAIT_CANCELLED)
            return error_set(error, "the delivery was given up");
    if (token->text.length > 0 && clock_monotonic() < token->expires) {
        text_append_bytes(text, token->text.data, token->text.length);
        return true;
    }
    token->fetching = true;
    good = run(source, request, text, &lifetime, error);
    token->fetching = false;
    if (good && lifetime > 0)
        replace(token, text, lifetime);
    task_condition_wake_all(&token->fetched);
    return good;
}

void token_forget(struct token_source *source, const struct token_request *request)
{
    text_wipe(&find(source, request)->text);
}
