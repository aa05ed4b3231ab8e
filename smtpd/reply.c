#include "smtpd/reply.h"

#include <stdio.h>
#include <string.h>

#include "mail/config/expand.h"
#include "mail/delivery/dsn.h"
#include "mail/message/date.h"

/* ---- smtpd_reject_footer ---- */

static const char *footer_name(const struct smtp_session *session, const char *name, char number[16])
{
    const struct transaction *transaction = session->transaction;
    const struct {
        const char *name, *value;
    } names[] = {
        {"client", session->client.identity},
        {"client_address", session->client.address_text},
        {"client_name", session->client.name.name},
        {"client_port", session->client.port},
        {"helo_name", session->helo != NULL ? session->helo : ""},
        {"queue_id", session->log.identity},
        {"recipient", transaction != NULL && transaction->recipient.address != NULL ? transaction->recipient.address : ""},
        {"sender", transaction != NULL ? transaction->sender : ""},
        {"server_name", session->smtpd->mail->myhostname},
        {"server_port", number},
    };

    snprintf(number, 16, "%u", net_address_port(&session->server));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].value;
    return config_get(session->smtpd->environment->config, name);
}

static bool footer_name_is_set(void *context, const char *name)
{
    char number[16];
    const char *value = strcmp(name, "localtime") == 0 ? name : footer_name(context, name, number);

    return value != NULL && *value != '\0';
}

static bool footer_name_value(void *context, const char *name, int depth, struct text *result, struct error *error)
{
    char number[16], now[MAIL_DATE_SIZE];
    const char *value = strcmp(name, "localtime") == 0 ? mail_date(clock_wall() / SECONDS, now)
                                                       : footer_name(context, name, number);

    (void)depth, (void)error;
    text_append(result, value != NULL ? value : "");
    return true;
}

/* The reply with its code, then the footer's lines with the same code: on lines of their own, unless the footer
 * begins with \c. */
static void append_footer(struct smtp_session *session, struct text *lines)
{
    const struct expand_names names = {footer_name_is_set, footer_name_value, session};
    const char *footer = session->smtpd->config->smtpd_reject_footer, *next;
    bool same_line = string_starts(footer, "\\c");
    struct text plain = {0};
    struct error error;

    if (!expand_text(&names, same_line ? footer + 2 : footer, 0, &plain, &error)) {
        log_warning(NULL, "smtpd_reject_footer: %s", error.text);
        text_clear(&plain);
    }
    if (!same_line)
        text_append_char(lines, '\n');
    for (const char *line = text_string(&plain); line != NULL; line = next) {
        size_t length;

        next = strstr(line, "\\n");
        length = next != NULL ? (size_t)(next - line) : strlen(line);
        text_append_bytes(lines, line, length);
        if (next != NULL) {
            text_append_char(lines, '\n');
            next += 2;
        }
    }
    text_free(&plain);
}

static void send_line(struct smtp_session *session, struct text *line)
{
    string_printable(line->data, true);
    text_append(line, "\r\n");
    stream_write(session->stream, line->data, line->length);
}

/* Lines between LFs; the first has the codes and text, the others get the same codes. */
static void send_lines(struct smtp_session *session, char *lines)
{
    char *cursor = lines + 4, *line = string_next_word(&cursor, "\n");
    int dsn = (int)dsn_length(line);
    bool first = true;

    for (char *next; line != NULL; line = next, first = false) {
        next = string_next_word(&cursor, "\n");
        stream_print(session->stream, "%.3s%c", lines, next != NULL ? '-' : ' ');
        if (!first && dsn > 0)
            stream_print(session->stream, "%.*s ", dsn, lines + 4);
        stream_print(session->stream, "%s\r\n", string_printable(line, true));
    }
}

/* soft_bounce: 550 5.1.1 becomes 450 4.1.1. */
static void soften(struct text *line)
{
    if (line->data[0] != '5')
        return;
    line->data[0] = '4';
    if (string_starts(text_string(line) + 3, " 5."))
        line->data[4] = '4';
}

static void reply_list(struct smtp_session *session, const char *format, va_list arguments)
{
    const struct smtpd_config *config = session->smtpd->config;
    struct text line = {0};

    text_append_format_list(&line, format, arguments);
    if (session->smtpd->mail->soft_bounce)
        soften(&line);
    if (session->errors >= config->smtpd_soft_error_limit && config->smtpd_error_sleep_time > 0) {
        stream_flush(session->stream); /* what was said before need not wait */
        task_sleep(config->smtpd_error_sleep_time);
    }
    if (line.data[0] == '4' || line.data[0] == '5') {
        session->failed = true;
        session->errors++;
        if (*config->smtpd_reject_footer != '\0')
            append_footer(session, &line);
    }
    if (strchr(line.data, '\n') == NULL)
        send_line(session, &line);
    else
        send_lines(session, line.data);
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
    stream_print(session->stream, "%s\r\n", text_string(&line));
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
