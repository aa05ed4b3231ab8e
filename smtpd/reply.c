#include "smtpd/reply.h"

#include <string.h>

static void send_line(struct smtp_session *session, const char *line)
{
    stream_write(session->stream, line, strlen(line));
    stream_write(session->stream, "\r\n", 2);
}

/* smtpd_reject_footer: on a line of its own when it begins with \c, else behind the text. */
static void send_with_footer(struct smtp_session *session, struct text *line)
{
    const char *footer = session->smtpd->config->smtpd_reject_footer;

    if (*footer == '\0') {
        send_line(session, text_string(line));
    } else if (string_starts(footer, "\\c")) {
        text_append(line, footer + 2);
        send_line(session, text_string(line));
    } else {
        struct text last = {0};

        text_append_bytes(&last, line->data, 3);
        text_append_format(&last, " %s", footer);
        line->data[3] = '-';
        send_line(session, text_string(line));
        send_line(session, text_string(&last));
        text_free(&last);
    }
}

static void reply_list(struct smtp_session *session, const char *format, va_list arguments)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct text line = {0};

    text_append_format_list(&line, format, arguments);
    string_printable(line.data, true);
    if (line.data[0] == '4' || line.data[0] == '5') {
        session->failed = true;
        session->errors++;
        if (session->errors > config->smtpd_soft_error_limit && config->smtpd_error_sleep_time > 0)
            task_sleep(config->smtpd_error_sleep_time);
        send_with_footer(session, &line);
    } else {
        send_line(session, text_string(&line));
    }
    if (string_starts(text_string(&line), "421"))
        session->closing = true;
    text_free(&line);
}

void smtpd_reply(struct smtp_session *session, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    reply_list(session, format, arguments);
    va_end(arguments);
}

void smtpd_reply_part(struct smtp_session *session, const char *format, ...)
{
    struct text line = {0};
    va_list arguments;

    va_start(arguments, format);
    text_append_format_list(&line, format, arguments);
    va_end(arguments);
    send_line(session, text_string(&line));
    text_free(&line);
}

void smtpd_reply_and_close(struct smtp_session *session, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    reply_list(session, format, arguments);
    va_end(arguments);
    session->closing = true;
}
