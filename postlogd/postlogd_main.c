/* postlogd - writes maillog_file: each datagram that arrives is a line (postlogd(8), MAILLOG_README). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "mail/config/log_file.h"
#include "mail/service/service.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum { LINE_LIMIT = 4000 }; /* longer than any service writes */

struct postlogd {
    int fd; /* -1: what cannot be written goes to syslog */
};

static int open_file(const struct mail_config *mail, struct error *error)
{
    mode_t mode, mask;
    int fd;

    if (!log_file_allowed(mail, &mode, error))
        return -1;
    if (string_equal(mail->maillog_file, "/dev/stdout"))
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    mask = umask(0);
    fd = open(mail->maillog_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, mode);
    umask(mask);
    if (fd < 0)
        error_set(error, "open logfile %s: %s", mail->maillog_file, strerror(errno));
    return fd;
}

/* Without a file the lines still go somewhere, and mail goes on. */
static bool start(struct service_environment *environment, struct error *error)
{
    struct postlogd *postlogd = memory_new(sizeof *postlogd);

    postlogd->fd = open_file(environment->mail, error);
    environment->state = postlogd;
    openlog(NULL, LOG_NDELAY, LOG_MAIL);
    if (postlogd->fd < 0)
        syslog(LOG_WARNING | LOG_MAIL, "%s: logging to syslog instead", error->text);
    return true;
}

/* "Nov 24 22:05:20 host postfix/smtpd[123]: text" without what syslog will say itself. */
static const char *skip_stamp_and_host(const char *line)
{
    const char *rest = strlen(line) > 16 && line[15] == ' ' ? strchr(line + 16, ' ') : NULL;

    return rest != NULL ? rest + 1 : line;
}

/* Makes a line of the datagram, with LF and NUL behind it. Its length with the LF. */
static size_t make_line(const struct iovec *message, char line[LINE_LIMIT + 2])
{
    size_t length = message->iov_len < LINE_LIMIT ? message->iov_len : LINE_LIMIT;

    memcpy(line, message->iov_base, length);
    while (length > 0 && line[length - 1] == '\n')
        length--;
    for (size_t i = 0; i < length; i++)
        line[i] = (char)(line[i] == '\0' ? '?' : line[i]);
    line[length] = '\0';
    string_printable(line, true);
    line[length] = '\n';
    line[length + 1] = '\0';
    return length + 1;
}

/* Lines that came together are written together; those that the file does not take go to syslog. */
static void write_lines(struct service_environment *environment, const struct iovec *messages, size_t count)
{
    const struct postlogd *postlogd = environment->state;
    char line[LINE_LIMIT + 2];
    struct text lines = {0};

    for (size_t i = 0; i < count; i++) {
        size_t length = make_line(&messages[i], line);

        text_append_bytes(&lines, line, length);
    }
    if (postlogd->fd < 0 || write(postlogd->fd, lines.data, lines.length) != (ssize_t)lines.length)
        for (size_t i = 0; i < count; i++) {
            make_line(&messages[i], line);
            syslog(LOG_INFO | LOG_MAIL, "%s", skip_stamp_and_host(line));
        }
    text_free(&lines);
}

static const struct service postlogd = {
    .name = "postlogd",
    .start = start,
    .datagrams = write_lines,
    .sandbox = SANDBOX_READ_ONLY, /* the file is open already */
    .keep_running = true,
};

int main(int argc, char **argv)
{
    return service_main(&postlogd, argc, argv);
}
