#include "util/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "util/base/text.h"

enum {
    SOCKET_PATIENCE = 2, /* seconds */
    HELD_LINES = 24, /* so that they fit into a datagram that postlogd takes */
};

struct line {
    enum log_level level;
    size_t length, text_at, words_end; /* of the stamp, of the level's word */
    char bytes[LOG_LINE_LIMIT + 400];
};

/* A process has one log, as it has one stderr: this is its whole state. */
static struct {
    char tag[128], stderr_tag[128];
    char host[128];
    char file_path[1024]; /* "": none */
    mode_t file_mode;
    enum log_target target;
    int facility;
    int verbosity;
    int socket, file; /* -1: none */
    bool also_stderr;
    bool stalled; /* the socket's reader did not come in time */
    log_sink_fn *sink;
    int exit_status; /* of die */
    char origin[300]; /* "host tag[123]: "; "": not known yet */
    time_t stamped; /* when stamp was made */
    char stamp[32];
    bool holding;
    int held_count;
    struct line held[HELD_LINES];
} state = {.target = LOG_TARGET_STDERR, .socket = -1, .file = -1, .exit_status = 1};

static const char *const level_words[] = {"", "warning: ", "error: ", "fatal: ", "panic: "};
static const int level_priorities[] = {LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT, LOG_CRIT};

static void log_connect_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = SOCKET_PATIENCE};

    state.stalled = false;
    state.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (state.socket < 0 || strlen(path) >= sizeof address.sun_path)
        return;
    strcpy(address.sun_path, path);
    setsockopt(state.socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(state.socket, (struct sockaddr *)&address, sizeof address) != 0) {
        close(state.socket);
        state.socket = -1;
    }
}

/* Once a process, not once a line: it takes a system call. */
static void learn_origin(void)
{
    snprintf(state.origin, sizeof state.origin, "%s %s[%ld]: ", state.host, state.tag, (long)getpid());
}

void log_open(const struct log_settings *settings)
{
    log_release();
    snprintf(state.tag, sizeof state.tag, "%s", settings->tag);
    snprintf(state.stderr_tag, sizeof state.stderr_tag, "%s",
             settings->stderr_tag != NULL ? settings->stderr_tag : settings->tag);
    if (gethostname(state.host, sizeof state.host - 1) != 0)
        strcpy(state.host, "localhost");
    state.host[strcspn(state.host, ".")] = '\0';
    if (*state.origin == '\0')
        pthread_atfork(NULL, NULL, learn_origin);
    learn_origin();
    state.target = settings->target;
    state.facility = settings->facility;
    state.also_stderr = settings->also_stderr;
    if (state.socket >= 0)
        close(state.socket);
    if (state.file >= 0)
        close(state.file);
    state.socket = state.file = -1;
    tzset(); /* before a chroot takes the time zone away */
    if (state.target == LOG_TARGET_SOCKET)
        log_connect_socket(settings->socket_path);
    snprintf(state.file_path, sizeof state.file_path, "%s", settings->file_path != NULL ? settings->file_path : "");
    state.file_mode = (mode_t)settings->file_mode;
    if (state.target == LOG_TARGET_SYSLOG)
        openlog(state.tag, LOG_PID | LOG_NDELAY, state.facility);
}

void log_set_sink(log_sink_fn *sink)
{
    state.sink = sink;
}

/* A reader that is away for long must not hold up the mail: it is waited for once. Who may write to the file
 * instead does not wait at all; master, above all, since the reader is its to start. */
static bool log_send(const char *line, size_t length)
{
    bool wait = !state.stalled && *state.file_path == '\0';
    bool sent = state.socket >= 0 && send(state.socket, line, length, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0;

    state.stalled = !sent;
    return sent;
}

static bool log_to_file(const char *line)
{
    mode_t mask;

    if (state.file < 0 && *state.file_path != '\0') {
        mask = umask(0);
        state.file = open(state.file_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, state.file_mode);
        umask(mask);
    }
    return state.file >= 0 && dprintf(state.file, "%s\n", line) > 0;
}

static void log_to_socket(const struct line *line)
{
    if (!log_send(line->bytes, line->length) && !log_to_file(line->bytes))
        syslog(level_priorities[line->level] | LOG_MAIL, "%s", line->bytes + line->text_at);
}

/* ---- lines that leave together ---- */

void log_hold(void)
{
    state.holding = state.target == LOG_TARGET_SOCKET && state.socket >= 0;
}

void log_release(void)
{
    log_flush();
    state.holding = false;
}

void log_flush(void)
{
    struct iovec parts[2 * HELD_LINES + 1] = {{(char[]){LOG_BUNDLE}, 1}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
    int count = state.held_count, saved = errno;

    if (count == 0)
        return;
    state.held_count = 0; /* whoever writes a line from here on has it sent at once */
    for (int i = 0; i < count; i++) {
        parts[message.msg_iovlen++] = (struct iovec){state.held[i].bytes, state.held[i].length};
        parts[message.msg_iovlen++] = (struct iovec){"\n", 1};
    }
    if (sendmsg(state.socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        for (int i = 0; i < count; i++) /* the reader is behind: with patience */
            log_to_socket(&state.held[i]);
    errno = saved;
}

/* ---- one line ---- */

/* The stamp changes once a second. */
static const char *stamp(void)
{
    time_t now = time(NULL);
    struct tm local;

    if (now != state.stamped)
        strftime(state.stamp, sizeof state.stamp, "%b %e %H:%M:%S", localtime_r(&now, &local));
    state.stamped = now;
    return state.stamp;
}

/* The length of the text with another string behind it, as much as there is room for. */
static size_t put(char *bytes, size_t length, size_t room, const char *string)
{
    size_t more = strnlen(string, room - 1 - length);

    memcpy(bytes + length, string, more);
    return length + more;
}

/* "Nov 24 22:05:20 host postfix/smtpd[123]: warning: IDENTITY: text" */
static void make_line(struct line *line, enum log_level level, const char *identity, const char *format,
                      va_list arguments)
{
    size_t room = sizeof line->bytes, at = 0;
    int saved = errno;

    if (state.target == LOG_TARGET_SOCKET) {
        at = put(line->bytes, at, room, stamp());
        at = put(line->bytes, at, room, " ");
        at = put(line->bytes, at, room, state.origin);
    }
    line->level = level;
    line->text_at = at;
    at = put(line->bytes, at, room, level_words[level]);
    line->words_end = at;
    room = at + LOG_LINE_LIMIT;
    if (identity != NULL) {
        at = put(line->bytes, at, room, identity);
        at = put(line->bytes, at, room, ": ");
    }
    errno = saved; /* for %m */
    vsnprintf(line->bytes + at, room - at, format, arguments);
    string_printable(line->bytes + line->words_end, true);
    line->length = line->words_end + strlen(line->bytes + line->words_end);
}

static void log_write(enum log_level level, const struct log_context *context, const char *format, va_list arguments)
{
    struct line local, *line = &local;
    int saved = errno;

    if (state.holding && state.held_count == HELD_LINES)
        log_flush();
    if (state.holding)
        line = &state.held[state.held_count];
    make_line(line, level, context != NULL ? context->identity : NULL, format, arguments);
    if (state.sink != NULL)
        state.sink(level, line->bytes + line->words_end);
    if (state.target == LOG_TARGET_STDERR || state.target == LOG_TARGET_STDOUT || state.also_stderr)
        fprintf(state.target == LOG_TARGET_STDOUT ? stdout : stderr, "%s%s%s\n", state.stderr_tag, *state.stderr_tag != '\0' ? ": " : "",
                line->bytes + line->text_at);
    if (state.target == LOG_TARGET_SYSLOG)
        syslog(level_priorities[level] | state.facility, "%s", line->bytes + line->text_at);
    else if (state.target == LOG_TARGET_SOCKET && state.holding)
        state.held_count++;
    else if (state.target == LOG_TARGET_SOCKET)
        log_to_socket(line);
    errno = saved;
}

void log_info(const struct log_context *context, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_write(LOG_LEVEL_INFO, context, format, arguments);
    va_end(arguments);
}

void log_warning(const struct log_context *context, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_write(LOG_LEVEL_WARNING, context, format, arguments);
    va_end(arguments);
}

void log_error(const struct log_context *context, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_write(LOG_LEVEL_ERROR, context, format, arguments);
    va_end(arguments);
}

void log_set_verbosity(int level)
{
    state.verbosity = level;
}

int log_verbosity(void)
{
    return state.verbosity;
}

void log_debug(int level, const char *format, ...)
{
    va_list arguments;

    if (state.verbosity < level)
        return;
    va_start(arguments, format);
    log_write(LOG_LEVEL_INFO, NULL, format, arguments);
    va_end(arguments);
}

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_write(LOG_LEVEL_FATAL, NULL, format, arguments);
    va_end(arguments);
    log_release();
    exit(state.exit_status);
}

void log_set_exit_status(int status)
{
    state.exit_status = status;
}
