#include "tlsrpt/message.h"

#include "mail/address/address.h"
#include "mail/message/date.h"
#include "mail/queue/queue.h"
#include "util/base/base64.h"

enum { BASE64_LINE = 76 };

/* RFC 8460 section 5.1: submitter!policy-domain!begin!end.json.gz */
static void append_file_name(const struct tlsrpt *tlsrpt, const struct tlsrpt_domain *domain, struct text *out)
{
    text_append_format(out, "%s!%s!%lld!%lld.json.gz", tlsrpt->submitter, domain->domain, (long long)domain->start,
                       (long long)domain->end - 1);
}

static void append_address(const char *internal, struct text *out)
{
    struct text quoted = {0};

    address_quote(internal, &quoted);
    text_append(out, text_string(&quoted));
    text_free(&quoted);
}

/* "TLS-Required: no" (RFC 8689 section 5): a domain whose TLS does not work has to hear of it. */
static void append_header(const struct tlsrpt *tlsrpt, const struct report_message *message, const char *queue_id, int64_t now,
                          struct text *out)
{
    const struct mail_config *mail = tlsrpt->environment->mail;
    const struct tlsrpt_domain *domain = message->domain;
    char date[MAIL_DATE_SIZE];

    mail_date(now, date);
    text_append_format(out, "Received: by %s (%s)\n\tid %s; %s\nDate: %s\nFrom: ", mail->myhostname, mail->mail_name, queue_id,
                       date, date);
    append_address(tlsrpt->config->tlsrpt_from_address, out);
    text_append(out, "\nTo: ");
    append_address(message->to, out);
    text_append_format(out, "\nSubject: Report Domain: %s\n Submitter: %s\n Report-ID: <%s@%s>\n", domain->domain,
                       tlsrpt->submitter, domain->id, tlsrpt->submitter);
    text_append_format(out, "Message-Id: <%s.%s@%s>\n", domain->id, queue_id, mail->myhostname);
    text_append_format(out, "TLS-Report-Domain: %s\nTLS-Report-Submitter: %s\nTLS-Required: no\n", domain->domain,
                       tlsrpt->submitter);
    text_append_format(out, "Auto-Submitted: auto-generated\nMIME-Version: 1.0\n"
                            "Content-Type: multipart/report; report-type=\"tlsrpt\";\n\tboundary=\"%s\"\n"
                            "Content-Transfer-Encoding: 7bit\n\nThis is a MIME-encapsulated message.\n", domain->id);
}

static void append_words(const struct tlsrpt *tlsrpt, const struct tlsrpt_domain *domain, struct text *out)
{
    char start[TLSRPT_TIME_SIZE], end[TLSRPT_TIME_SIZE];

    text_append_format(out, "\n--%s\nContent-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n\n", domain->id);
    text_append_format(out, "How servers of %s fared with TLS when\n%s delivered mail to them,\nfrom %s to %s.\n\n"
                            "The report that is attached is as in RFC 8460.\n",
                       domain->domain, tlsrpt->submitter, tlsrpt_time(domain->start, start), tlsrpt_time(domain->end - 1, end));
}

static void append_attachment(const struct tlsrpt *tlsrpt, const struct report_message *message, struct text *out)
{
    struct text encoded = {0};

    text_append_format(out, "\n--%s\nContent-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n"
                            "Content-Disposition: attachment;\n\tfilename=\"", message->domain->id);
    append_file_name(tlsrpt, message->domain, out);
    text_append(out, "\"\n\n");
    base64_encode(message->gzip, message->length, &encoded);
    for (size_t at = 0; at < encoded.length; at += BASE64_LINE) {
        size_t left = encoded.length - at;

        text_append_bytes(out, encoded.data + at, left < BASE64_LINE ? left : BASE64_LINE);
        text_append_char(out, '\n');
    }
    text_append_format(out, "\n--%s--\n", message->domain->id);
    text_free(&encoded);
}

void report_message_append(const struct tlsrpt *tlsrpt, const struct report_message *message, const char *queue_id, int64_t now,
                           struct text *out)
{
    append_header(tlsrpt, message, queue_id, now, out);
    append_words(tlsrpt, message->domain, out);
    append_attachment(tlsrpt, message, out);
}

bool report_message_submit(struct tlsrpt *tlsrpt, const struct report_message *message, struct arena *arena,
                           const char **queue_id, struct error *error)
{
    const struct cleanup_open open = {.flags = CLEANUP_FILTER | CLEANUP_MAP,
                                      .sender = tlsrpt->config->tlsrpt_sender,
                                      .arrival_time = clock_wall(),
                                      .encoding = "7bit",
                                      .sendopts = SENDOPT_TLS_REQUIRED_NO,
                                      .rewrite_context = "local",
                                      .queue = QUEUE_INCOMING};
    const struct cleanup_recipient recipient = {.address = message->to,
                                                .original = "",
                                                .dsn_orig_rcpt = "",
                                                .dsn_notify = DSN_NOTIFY_NEVER};
    struct submission *submission = submission_open(tlsrpt->cleanup, tlsrpt->environment->mail, &open, error);
    struct cleanup_status status;
    struct text content = {0};

    if (submission == NULL)
        return false;
    *queue_id = arena_copy(arena, submission_queue_id(submission));
    submission_recipient(submission, &recipient);
    report_message_append(tlsrpt, message, *queue_id, open.arrival_time / SECONDS, &content);
    submission_content(submission, content.data, content.length);
    submission_end(submission, 0, "", arena, &status);
    text_free(&content);
    return status.code == 250 || error_set(error, "cleanup refused it: %s", status.reason);
}
