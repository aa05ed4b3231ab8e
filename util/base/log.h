/* log - the lines that operators, pflogsumm and fail2ban read.
 *
 * A line is `TAG[PID]: [warning: |error: |fatal: |panic: ]IDENTITY: text`. The tag is set once for the process
 * (log_open). The identity, a queue ID most often, is written once into a struct log_context by the object that
 * speaks and inherited from there. What is not printable is masked before it is written; a line is cut at
 * LOG_LINE_LIMIT. Writing a line never fails and never blocks for long. */
#ifndef UTIL_BASE_LOG_H
#define UTIL_BASE_LOG_H

#include <stdbool.h>

enum { LOG_LINE_LIMIT = 2000 };

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL, LOG_LEVEL_PANIC };

struct log_context {
    const char *identity; /* "3F2A1B4C5D", "NOQUEUE"; NULL: none */
};

enum log_target {
    LOG_TARGET_STDERR, /* `program: text`, as commands write */
    LOG_TARGET_STDOUT, /* the same, of commands whose lines are what was asked for */
    LOG_TARGET_SYSLOG,
    LOG_TARGET_SOCKET, /* postlogd's datagram socket (contracts 3.8) */
};

struct log_settings {
    const char *tag;         /* "postfix/smtpd"; copied */
    enum log_target target;
    int facility;            /* LOG_MAIL and the like, for syslog */
    const char *socket_path; /* for LOG_TARGET_SOCKET */
    const char *file_path;   /* where lines go that the socket does not take; NULL: to syslog */
    unsigned file_mode;      /* of the file when it has to be made */
    bool also_stderr;        /* commands on a terminal: both */
    const char *stderr_tag;  /* what lines on stderr start with; NULL: the tag. Copied */
};

/* May be called again: the newest settings hold. Until the first call lines go to stderr. */
void log_open(const struct log_settings *settings);

/* A datagram of postlogd's socket that begins with this byte holds several lines, each ended by LF. */
#define LOG_BUNDLE '\1'

/* Lines to postlogd's socket leave together, in one datagram: between hold and release they are kept, at most for as
 * long as nobody waits (util/task holds them while tasks run). log_flush sends what is there: before others learn of what it says. */
void log_hold(void);
void log_release(void);
void log_flush(void);

/* Lines also (or, when no socket can be reached, only) go to sink, which must not log. NULL ends that. */
typedef void log_sink_fn(enum log_level level, const char *line);
void log_set_sink(log_sink_fn *sink);

void log_info(const struct log_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const struct log_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_error(const struct log_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How much to explain, for -v: 0 none. log_debug writes when the process's level is at least this. */
void log_set_verbosity(int level);
int log_verbosity(void);
void log_debug(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A bad environment at start: says why and exits with status 1 (or what log_set_exit_status said). Before readiness
 * only, and in commands. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void log_set_exit_status(int status);

#endif
