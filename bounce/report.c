#include "bounce/report.h"

#include <stdio.h>
#include <string.h>

#include "mail/address/address.h"
#include "mail/message/date.h"

enum { WRAP_COLUMN = 79, FLUSH_SIZE = 32 * 1024 };

static bool is_utf8(const struct report *report)
{
    return (report->flush->sendopts & SENDOPT_SMTPUTF8) != 0;
}

static bool came_with_requiretls(const struct report *report)
{
    return report->bouncer->mail->requiretls_enable && (report->flush->sendopts & SENDOPT_REQUIRETLS) != 0;
}

static bool is_redacted(const struct report *report)
{
    return came_with_requiretls(report) && report->bouncer->config->requiretls_redact_dsn;
}

bool report_requires_tls(const struct report *report)
{
    return came_with_requiretls(report) && !is_redacted(report);
}

static const char *encoding_of(const struct report *report)
{
    return string_equal_ignore_case(report->flush->encoding, "7bit") ? "7bit" : "8bit";
}

static void append_external(struct text *out, const char *address)
{
    struct text quoted = {0};

    if (*address != '\0')
        address_quote(address, &quoted);
    text_append(out, text_string(&quoted));
    text_free(&quoted);
}

/* Words, with line breaks before the column limit and four blanks in front of what follows. */
static void append_wrapped(struct text *out, const char *words)
{
    size_t column = 0;

    while (*words != '\0') {
        size_t length = strcspn(words, " ");

        if (column > 0 && column + 1 + length > WRAP_COLUMN) {
            text_append(out, "\n    ");
            column = 4;
        } else if (column > 0) {
            text_append_char(out, ' ');
            column++;
        }
        text_append_bytes(out, words, length);
        column += length;
        words += length + strspn(words + length, " ");
    }
    text_append_char(out, '\n');
}

/* ---- the header of the message ---- */

static void append_header(const struct report *report, struct text *out)
{
    const struct mail_config *mail = report->bouncer->mail;
    const struct template *template = report->bouncer->templates[report->template];
    char date[MAIL_DATE_SIZE];

    mail_date(clock_wall() / SECONDS, date);
    text_append_format(out, "Received: by %s (%s)\n\tid %s; %s\n", mail->myhostname, mail->mail_name, report->queue_id,
                       date);
    text_append_format(out, "Date: %s\nFrom: %s\nSubject: %s\nTo: ", date, template->from,
                       report->postmaster && template->postmaster_subject != NULL ? template->postmaster_subject
                                                                             : template->subject);
    append_external(out, report->to);
    text_append_format(out, "\nAuto-Submitted: %s\nMIME-Version: 1.0\n",
                       report->postmaster ? "auto-generated" : "auto-replied");
    if ((report->flush->sendopts & SENDOPT_TLS_REQUIRED_NO) != 0 && !came_with_requiretls(report))
        text_append(out, "TLS-Required: no\n");
    text_append_format(out, "Content-Type: multipart/report; report-type=%sdelivery-status;\n\tboundary=\"%s\"\n",
                       is_utf8(report) ? "global-" : "", report->boundary);
    text_append_format(out, "Content-Transfer-Encoding: %s\n\nThis is a MIME-encapsulated message.\n",
                       encoding_of(report));
}

/* ---- for people ---- */

static void append_notification(const struct report *report, struct text *out)
{
    const struct template *template = report->bouncer->templates[report->template];

    text_append_format(out, "\n--%s\nContent-Description: Notification\nContent-Type: text/plain; charset=%s\n"
                            "Content-Transfer-Encoding: %s\n\n",
                       report->boundary, template->charset, encoding_of(report));
    if (!report->postmaster)
        template_expand_anyway(template, report->bouncer->environment->config, report->bouncer->mail, out);
    for (size_t i = 0; i < report->entries->count; i++) {
        const struct bounce_append *entry = &report->entries->items[i];
        struct text line = {0};

        text_append_char(&line, '<');
        append_external(&line, entry->recipient);
        text_append_char(&line, '>');
        if (*entry->original != '\0' && !string_equal_ignore_case(entry->original, entry->recipient))
            text_append_format(&line, " (expanded from <%s>)", entry->original);
        text_append_format(&line, ": %s", entry->reason);
        text_append_char(out, '\n');
        append_wrapped(out, text_string(&line));
        text_free(&line);
    }
}

/* ---- for programs ---- */

static void append_recipient_status(const struct report *report, const struct bounce_append *entry, struct text *out)
{
    const char *type = is_utf8(report) ? "utf-8" : "rfc822";
    char date[MAIL_DATE_SIZE];

    text_append_format(out, "\nFinal-Recipient: %s; ", type);
    append_external(out, entry->recipient);
    text_append(out, "\nOriginal-Recipient: ");
    if (*entry->dsn_orig_rcpt != '\0')
        text_append(out, entry->dsn_orig_rcpt);
    else
        text_append_format(out, "%s;%s", type, *entry->original != '\0' ? entry->original : entry->recipient);
    text_append_format(out, "\nAction: %s\nStatus: %s\n",
                       report->template == TEMPLATE_FAILURE ? "failed" : entry->action, entry->dsn);
    if (*entry->mta_name != '\0')
        text_append_format(out, "Remote-MTA: %s; %s\n", *entry->mta_type != '\0' ? entry->mta_type : "dns",
                           entry->mta_name);
    text_append_format(out, "Diagnostic-Code: %s; ", *entry->diag_type != '\0' ? entry->diag_type : "X-Postfix");
    append_wrapped(out, *entry->diag_text != '\0' ? entry->diag_text : entry->reason);
    if (report->template == TEMPLATE_DELAY)
        text_append_format(out, "Will-Retry-Until: %s\n",
                           mail_date((report->flush->arrival_time + report->bouncer->mail->maximal_queue_lifetime) /
                                         SECONDS, date));
}

static void append_status(const struct report *report, struct text *out)
{
    const struct bounce_flush *flush = report->flush;
    char date[MAIL_DATE_SIZE];

    text_append_format(out, "\n--%s\nContent-Description: Delivery report\nContent-Type: message/%sdelivery-status\n",
                       report->boundary, is_utf8(report) ? "global-" : "");
    text_append_format(out, "\nReporting-MTA: dns; %s\n", report->bouncer->mail->myhostname);
    if (*flush->dsn_envid != '\0')
        text_append_format(out, "Original-Envelope-Id: %s\n", flush->dsn_envid);
    text_append_format(out, "X-Postfix-Queue-ID: %s\n", flush->queue_id);
    if (*flush->sender != '\0') {
        text_append_format(out, "X-Postfix-Sender: %s; ", is_utf8(report) ? "utf-8" : "rfc822");
        append_external(out, flush->sender);
        text_append_char(out, '\n');
    }
    text_append_format(out, "Arrival-Date: %s\n", mail_date(flush->arrival_time / SECONDS, date));
    for (size_t i = 0; i < report->entries->count; i++)
        append_recipient_status(report, &report->entries->items[i], out);
}

/* ---- the message itself ---- */

/* The whole only for the sender of what failed, unless they said otherwise or it is long. */
static bool headers_only(const struct report *report)
{
    return report->postmaster || report->template != TEMPLATE_FAILURE || report->flush->dsn_ret == DSN_RET_HDRS ||
           is_redacted(report) || report->envelope->sizes.message_size > report->bouncer->config->bounce_size_limit;
}

static const char *describe_original(const struct report *report, bool headers)
{
    if (report->template == TEMPLATE_DELAY)
        return "Delayed Message Headers";
    if (report->template != TEMPLATE_FAILURE)
        return "Message Headers";
    return headers ? "Undelivered Message Headers" : "Undelivered Message";
}

static void append_content(const struct report *report, bool headers, struct submission *submission, struct text *out)
{
    struct content_reader *content = content_reader_new(report->fd, report->envelope->sizes.data_offset);
    bool line_ends, damaged, at_start = true;
    const char *bytes;
    size_t length;

    while (content_reader_next(content, &bytes, &length, &line_ends, &damaged)) {
        if (headers && at_start && line_ends && length == 0)
            break;
        text_append_bytes(out, bytes, length);
        if (line_ends)
            text_append_char(out, '\n');
        at_start = line_ends;
        if (out->length > FLUSH_SIZE) {
            submission_content(submission, out->data, out->length);
            text_clear(out);
        }
    }
    if (!at_start)
        text_append_char(out, '\n');
    content_reader_free(content);
}

static void append_original(const struct report *report, struct submission *submission, struct text *out)
{
    bool headers = headers_only(report);
    const char *type = is_utf8(report) ? (headers ? "message/global-headers" : "message/global")
                                       : (headers ? "text/rfc822-headers" : "message/rfc822");

    text_append_format(out, "\n--%s\nContent-Description: %s\nContent-Type: %s\nContent-Transfer-Encoding: %s\n\n",
                       report->boundary, describe_original(report, headers), type, encoding_of(report));
    text_append(out, "Return-Path: <");
    append_external(out, report->flush->sender);
    text_append(out, ">\n");
    append_content(report, headers, submission, out);
}

void report_write(struct report *report, struct submission *submission)
{
    struct text out = {0};

    snprintf(report->boundary, sizeof report->boundary, "%s.%lld/%.100s", report->flush->queue_id,
             (long long)(clock_wall() / SECONDS), report->bouncer->mail->myhostname);
    append_header(report, &out);
    append_notification(report, &out);
    append_status(report, &out);
    if (report->fd >= 0)
        append_original(report, submission, &out);
    text_append_format(&out, "\n--%s--\n", report->boundary);
    submission_content(submission, out.data, out.length);
    text_free(&out);
}
