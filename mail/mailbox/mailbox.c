#include "mail/mailbox/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail/address/address.h"
#include "mail/mailbox/internal.h"
#include "util/base/memory.h"
#include "util/task/offload.h"

enum { FIRST_PAUSE_MILLISECONDS = 5 };

bool mailbox_locks_parse(const char *words, int *locks, struct error *error)
{
    static const struct {
        const char *word;
        enum mailbox_lock lock;
    } known[] = {{"fcntl", MAILBOX_LOCK_FCNTL}, {"flock", MAILBOX_LOCK_FLOCK}, {"dotlock", MAILBOX_LOCK_DOTLOCK}};
    char *copy = memory_copy_string(words), *cursor = copy, *word;
    bool ok = true;

    *locks = 0;
    while (ok && (word = string_next_word(&cursor, ", \t\r\n")) != NULL) {
        ok = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (string_equal(word, known[i].word)) {
                *locks |= (int)known[i].lock;
                ok = true;
            }
        if (!ok)
            error_set(error, "unknown mailbox locking method: %s", word);
    }
    free(copy);
    return ok;
}

/* ---- what is put before the message ---- */

/* Nothing in an address may start a line of its own. */
static void append_one_line(struct text *out, const char *string)
{
    for (; *string != '\0'; string++)
        text_append_char(out, *string == '\n' || *string == '\r' ? '?' : *string);
}

static void append_external(struct text *out, const char *address)
{
    struct text external = {0};

    address_quote(address, &external);
    append_one_line(out, text_string(&external));
    text_free(&external);
}

static const char *make_headers(struct delivery *delivery, const struct message_recipient *recipient)
{
    struct text out = {0};
    const char *headers;

    text_append(&out, "Return-Path: <");
    append_external(&out, delivery->request.sender);
    text_append(&out, ">\nX-Original-To: ");
    append_one_line(&out, *recipient->original != '\0' ? recipient->original : recipient->address);
    text_append(&out, "\nDelivered-To: ");
    append_external(&out, recipient->address);
    text_append_char(&out, '\n');
    headers = arena_copy_bytes(delivery->arena, out.data, out.length);
    text_free(&out);
    return headers;
}

static const char *make_from_line(struct delivery *delivery)
{
    time_t now = time(NULL);
    struct text out = {0};
    struct tm local;
    char date[64];
    const char *line;

    localtime_r(&now, &local);
    strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &local);
    text_append(&out, "From ");
    if (*delivery->request.sender != '\0')
        append_external(&out, delivery->request.sender);
    else
        text_append(&out, "MAILER-DAEMON");
    text_append_format(&out, "  %s\n", date);
    line = arena_copy_bytes(delivery->arena, out.data, out.length);
    text_free(&out);
    return line;
}

/* ---- delivering ---- */

/* As long as deliver_lock_attempts at deliver_lock_delay would take, but the first tries come quickly: most often it is
 * another delivery of ours that has the lock for an instant. */
static void run_until_unlocked(struct delivery *delivery, offload_fn *function, struct mailbox_work *work)
{
    const struct mail_config *mail = delivery->environment->mail;
    struct deadline deadline = deadline_in(mail->deliver_lock_attempts * mail->deliver_lock_delay);
    duration pause = FIRST_PAUSE_MILLISECONDS * MILLISECONDS;

    for (;;) {
        offload_run(function, work);
        if (work->status != MAILBOX_BUSY || deadline_passed(deadline) || task_sleep(pause) != WAIT_READY)
            return;
        work->status = MAILBOX_FAILED;
        pause = pause * 2 < mail->deliver_lock_delay ? pause * 2 : mail->deliver_lock_delay;
    }
}

/* A mailbox that is full is the one trouble that its owner has to mend; all others may pass. */
static const char *failure_code(const struct mailbox_work *work)
{
    return work->error == EFBIG || work->error == EDQUOT ? "5.2.2" : "4.2.0";
}

static void deliver(struct delivery *delivery, size_t index, const struct mailbox *mailbox, offload_fn *function,
                    struct mailbox_work *work)
{
    const struct message_recipient *recipient = &delivery->recipients[index];

    *work = (struct mailbox_work){
        .mailbox = mailbox,
        .message = delivery->fd,
        .data_offset = (off_t)delivery->request.data_offset,
        .headers = make_headers(delivery, recipient),
        .from_line = make_from_line(delivery),
        .unique = arena_format(delivery->arena, "%s_%lld", delivery->request.queue_id, (long long)recipient->offset),
        .stale_lock_time = delivery->environment->mail->stale_lock_time,
        .status = MAILBOX_FAILED,
    };
    run_until_unlocked(delivery, function, work);
}

void mailbox_deliver_file(struct delivery *delivery, size_t index, const struct mailbox *mailbox,
                          struct delivery_result *result)
{
    struct mailbox_work work;

    deliver(delivery, index, mailbox, mailbox_file_work, &work);
    if (work.not_owner)
        log_warning(NULL, "specify \"strict_mailbox_ownership = no\" to ignore mailbox ownership mismatch");
    result->dsn = work.status == MAILBOX_DELIVERED ? "2.0.0" : failure_code(&work);
    result->reason = work.status == MAILBOX_DELIVERED
                         ? "delivered to mailbox"
                         : arena_format(delivery->arena, "delivery failed to mailbox %s: %s", mailbox->path,
                                        work.reason.text);
}

void mailbox_deliver_maildir(struct delivery *delivery, size_t index, const struct mailbox *mailbox,
                             struct delivery_result *result)
{
    struct mailbox_work work;

    deliver(delivery, index, mailbox, mailbox_maildir_work, &work);
    if (work.status == MAILBOX_FAILED && work.error == EACCES) {
        log_warning(NULL, "maildir access problem for UID/GID=%ld/%ld: %s", (long)mailbox->uid, (long)mailbox->gid,
                    work.reason.text);
        log_warning(NULL, "perhaps you need to create the maildirs in advance");
    }
    result->dsn = work.status == MAILBOX_DELIVERED ? "2.0.0" : failure_code(&work);
    result->reason = work.status == MAILBOX_DELIVERED
                         ? "delivered to maildir"
                         : arena_format(delivery->arena, "maildir delivery failed: %s", work.reason.text);
}
