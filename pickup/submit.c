#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "mail/message/date.h"
#include "mail/queue/record.h"
#include "mail/submit/submission.h"
#include "pickup/pickup.h"
#include "util/base/log.h"

/* As in the log line: <user@host>, quoted where info_log_address_format says so. */
static void log_origin(const struct mail_config *mail, const char *queue_id, const struct dropped *dropped)
{
    const struct log_context log = {queue_id};
    struct text sender = {0};

    if (*dropped->open.sender != '\0' && !string_equal(mail->info_log_address_format, "internal"))
        address_quote(dropped->open.sender, &sender);
    else
        text_append(&sender, dropped->open.sender);
    log_info(&log, "uid=%ld from=<%s>", (long)dropped->owner, text_string(&sender));
    text_free(&sender);
}

static void put_received(const struct mail_config *mail, struct submission *submission, const struct dropped *dropped)
{
    char date[MAIL_DATE_SIZE];
    struct text field = {0};

    text_append_format(&field, "Received: by %s (%s, from userid %ld)\n\tid %s; %s\n", mail->myhostname,
                       mail->mail_name, (long)dropped->owner, submission_queue_id(submission),
                       mail_date(clock_wall() / SECONDS, date));
    submission_content(submission, field.data, field.length);
    text_free(&field);
}

/* The file was read to its end already, so that it can only have changed since. */
static bool put_content(struct submission *submission, const struct dropped *dropped)
{
    struct record_reader *reader = record_reader_new(dropped->fd, dropped->content);
    struct record record;
    bool whole = false;

    while (record_read(reader, &record) == RECORD_OK) {
        if (record.type != RECORD_LINE && record.type != RECORD_LINE_PART) {
            whole = record.type == RECORD_EXTRACTED;
            break;
        }
        submission_content(submission, record.data, record.length);
        if (record.type == RECORD_LINE)
            submission_content(submission, "\n", 1);
    }
    record_reader_free(reader);
    return whole;
}

bool dropped_submit(struct pickup *pickup, struct dropped *dropped, struct error *error)
{
    const struct mail_config *mail = pickup->environment->mail;
    struct submission *submission = submission_open(pickup->cleanup, mail, &dropped->open, error);
    struct cleanup_status status;

    if (submission == NULL)
        return false;
    log_origin(mail, submission_queue_id(submission), dropped);
    for (size_t i = 0; i < dropped->recipient_count; i++)
        submission_recipient(submission, &dropped->recipients[i]);
    put_received(mail, submission, dropped);
    if (!put_content(submission, dropped)) {
        submission_abandon(submission);
        return error_set(error, "%s: changed while it was read", dropped->path);
    }
    submission_end(submission, 0, "", dropped->arena, &status);
    if (status.code == 250)
        return true;
    return error_set(error, "%s: error writing: %s", dropped->path, status.reason);
}
