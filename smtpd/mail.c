/* MAIL: RFC 5321 section 4.1.1.2. */
#include <sys/statvfs.h>

#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/envelope.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"

static struct transaction *new_transaction(void)
{
    struct arena *arena = arena_new();
    struct transaction *transaction = arena_alloc(arena, sizeof *transaction);

    transaction->arena = arena;
    transaction->sender = transaction->encoding = transaction->dsn_envid = "";
    transaction->recipient.dsn_orig_rcpt = "";
    return transaction;
}

static bool mail_in_order(struct smtp_session *session)
{
    if (session->helo == NULL && session->smtpd->config->smtpd_helo_required)
        smtpd_reply(session, "503 5.5.1 Error: send HELO/EHLO first");
    else if (session->transaction != NULL)
        smtpd_reply(session, "503 5.5.1 Error: nested MAIL command");
    else
        return true;
    return false;
}

static void reject_and_log(struct smtp_session *session, const char *reply)
{
    struct judge judge = {.session = session, .stage = "MAIL"};

    client_wait(session);
    judge_log(&judge, "reject", reply);
    smtpd_reply(session, "%s", reply);
}

/* Bytes that are free for the queue, as they were within the last second. */
static int64_t free_space(struct smtpd *smtpd)
{
    int64_t now = clock_monotonic();
    struct statvfs file_system;

    if (smtpd->space_known == 0 || now - smtpd->space_known > 1 * SECONDS) {
        smtpd->space_known = now;
        smtpd->space = fstatvfs(smtpd->environment->queue_fd, &file_system) == 0
                           ? (int64_t)(file_system.f_bavail * file_system.f_frsize)
                           : INT64_MAX;
    }
    return smtpd->space;
}

/* Room for the message, and for one of the greatest size besides. */
static bool queue_has_room(const struct smtp_session *session)
{
    const struct mail_config *mail = session->smtpd->mail;
    int64_t wanted = mail->queue_minfree > 0 ? mail->queue_minfree : mail->message_size_limit * 3 / 2;

    return free_space(session->smtpd) > wanted + session->transaction->size;
}

/* Size and sender as our own limits and restrictions see them. */
static bool sender_accepted(struct smtp_session *session)
{
    const struct mail_config *mail = session->smtpd->mail;
    struct judge judge;

    if (mail->message_size_limit > 0 && session->transaction->size > mail->message_size_limit) {
        reject_and_log(session, "552 5.3.4 Message size exceeds fixed limit");
        return false;
    }
    if (!queue_has_room(session)) {
        reject_and_log(session, "452 4.3.1 Insufficient system storage");
        return false;
    }
    if (session->smtpd->config->smtpd_delay_reject)
        return true;
    judge_begin(&judge, session, session->transaction->arena, "MAIL");
    if (judge_list(&judge, SENDER_RESTRICTIONS) && judge_end(&judge))
        return true;
    smtpd_reply(session, "%s", judge.reply);
    return false;
}

static bool read_sender(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;
    const char *path = envelope_path(arguments, "FROM"), *rest;
    struct text address = {0};
    bool good = false;

    if (path == NULL) {
        smtpd_reply(session, "501 5.5.4 Syntax: MAIL FROM:<address>");
    } else if (!envelope_read_path(session, "MAIL", path, &address, &rest)) {
        smtpd_reply(session, "501 5.1.7 Bad sender address syntax");
    } else {
        transaction->sender = arena_copy(transaction->arena, text_string(&address));
        good = envelope_take_mail_parameters(session, rest);
    }
    text_free(&address);
    return good;
}

void smtpd_mail(struct smtp_session *session, const char *arguments)
{
    if (!mail_in_order(session) || !limits_allow(session, ANVIL_MESSAGE))
        return;
    session->transaction = new_transaction();
    if (read_sender(session, arguments) && sender_accepted(session))
        smtpd_reply(session, "250 2.1.0 Ok");
    else
        session_end_transaction(session);
}
