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

/* Appends one line of a datagram, ended by LF, with nothing in it that is not printable. */
static void append_line(struct text *lines, const char *bytes, size_t length)
{
    size_t start = lines->length;

    text_append_bytes(lines, bytes, length < LINE_LIMIT ? length : LINE_LIMIT);
    for (size_t i = start; i < lines->length; i++)
        if (lines->data[i] == '\0')
            lines->data[i] = '?';
    string_printable(lines->data + start, true);
    text_truncate(lines, start + strlen(lines->data + start));
    text_append_char(lines, '\n');
}

/* A datagram is a line; one of a service that writes much holds several (util/base/log.h). */
static void append_datagram(struct text *lines, const char *bytes, size_t length)
{
    const char *end = bytes + length, *next;

    if (length == 0 || *bytes != LOG_BUNDLE) {
        while (length > 0 && bytes[length - 1] == '\n')
            length--;
        append_line(lines, bytes, length);
        return;
    }
    for (bytes++; bytes < end && (next = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes = next + 1)
        append_line(lines, bytes, (size_t)(next - bytes));
}

/* What came together is written together; what the file does not take goes to syslog. */
static void write_datagrams(struct service_environment *environment, const struct iovec *messages, size_t count)
{
    const struct postlogd *postlogd = environment->state;
    struct text lines = {0};
    char *cursor, *line;

    for (size_t i = 0; i < count; i++)
        append_datagram(&lines, messages[i].iov_base, messages[i].iov_len);
    cursor = lines.data;
    if (lines.length > 0 &&
        (postlogd->fd < 0 || write(postlogd->fd, lines.data, lines.length) != (ssize_t)lines.length))
        while ((line = string_next_word(&cursor, "\n")) != NULL)
            syslog(LOG_INFO | LOG_MAIL, "%s", skip_stamp_and_host(line));
    text_free(&lines);
}

static const struct service postlogd = {
    .name = "postlogd",
    .start = start,
    .datagrams = write_datagrams,
    .sandbox = SANDBOX_READ_ONLY, /* the file is open already */
    .keep_running = true,
};

int main(int argc, char **argv)
{
    return service_main(&postlogd, argc, argv);
}
