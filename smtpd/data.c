/* DATA and BDAT: RFC 5321 section 4.1.1.4 and RFC 3030. Content streams through to cleanup as it comes. */
#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "mail/message/date.h"
#include "mail/submit/submission.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/content.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"
#include "smtpd/tls.h"

enum { CONTENT_CHUNK = 64 * 1024, USUAL_RECEIVED = 500 };

/* ---- before the content ---- */

static void append_client(const struct smtp_session *session, struct text *out)
{
    const struct mail_config *mail = session->smtpd->mail;
    const struct client *client = &session->client;
    bool ipv6 = net_address_family(&client->address) == AF_INET6;

    text_append_format(out, "Received: from %s (%s [%s%s])", session->helo != NULL ? session->helo : client->name.name,
                       client->name.name, ipv6 ? "IPv6:" : "", client->address_text);
    smtpd_tls_append_received(session, out);
    if (session->sasl_method != NULL && session->smtpd->config->smtpd_sasl_authenticated_header)
        text_append_format(out, "\n\t(Authenticated sender: %s)", session->sasl_username);
    text_append_format(out, "\n\tby %s (%s)", mail->myhostname, mail->mail_name);
}

/* RFC 3848 and RFC 6531 section 4.3: ESMTPSA and so on. */
static const char *with_protocol(const struct smtp_session *session, struct arena *arena)
{
    bool utf8 = (session->transaction->sendopts & SENDOPT_SMTPUTF8) != 0;
    bool authenticated = session->sasl_method != NULL && session->extended;

    if (session->tls == NULL && !authenticated && !utf8)
        return session->protocol;
    return arena_format(arena, "%s%s%s", utf8 ? "UTF8SMTP" : "ESMTP", session->tls != NULL ? "S" : "",
                        authenticated ? "A" : "");
}

/* RFC 5321 section 4.4, in Postfix's words. */
static void append_received(struct smtp_session *session, struct text *out)
{
    const struct transaction *transaction = session->transaction;
    const struct mail_config *mail = session->smtpd->mail;
    char date[MAIL_DATE_SIZE];

    if (session->smtpd->config->smtpd_hide_client_session)
        text_append_format(out, "Received: by %s (%s)\n", mail->myhostname, mail->mail_name);
    else
        append_client(session, out);
    if (session->smtpd->config->smtpd_hide_client_session)
        text_append(out, "\tid ");
    else
        text_append_format(out, " with %s id ", with_protocol(session, transaction->arena));
    text_append(out, session->log.identity);
    if (transaction->recipient_count == 1) {
        struct text quoted = {0};

        address_quote(transaction->first_recipient, &quoted);
        text_append_format(out, "\n\tfor <%s>; ", text_string(&quoted));
        text_free(&quoted);
    } else {
        text_append(out, ";\n\t");
    }
    text_append_format(out, "%s\n", mail_date(clock_wall() / SECONDS, date));
}

/* What the lists asked for concerning the envelope, then our own headers. */
static void begin_content(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;
    struct text headers = {0};
    char *cursor, *address;

    for (cursor = transaction->bcc.data; cursor != NULL && (address = string_next_word(&cursor, "\n")) != NULL;)
        submission_recipient(transaction->submission,
                             &(struct cleanup_recipient){.address = address, .original = "", .dsn_orig_rcpt = ""});
    if (transaction->filter != NULL || transaction->redirect != NULL)
        submission_route(transaction->submission, transaction->filter != NULL ? transaction->filter : "",
                         transaction->redirect != NULL ? transaction->redirect : "");
    text_reserve(&headers, transaction->prepend.length + USUAL_RECEIVED);
    text_append(&headers, text_string(&transaction->prepend));
    append_received(session, &headers);
    submission_content(transaction->submission, headers.data, headers.length);
    text_free(&headers);
    transaction->content_begun = true;
    transaction->size = 0;
}

/* True: the content may come. */
static bool data_accepted(struct smtp_session *session)
{
    struct arena *arena = arena_new();
    struct judge judge;
    bool accepted;

    judge_begin(&judge, session, arena, "DATA");
    accepted = judge_list(&judge, DATA_RESTRICTIONS) && judge_end(&judge);
    if (!accepted)
        smtpd_reply(session, "%s", judge.reply);
    arena_free(arena);
    return accepted;
}

/* ---- after the content ---- */

static bool too_large(const struct smtp_session *session)
{
    long limit = session->smtpd->mail->message_size_limit;

    return limit > 0 && session->transaction->size > limit;
}

/* smtpd_end_of_data_restrictions, and what was found out about the content. False: answered. */
static bool content_accepted(struct smtp_session *session, const struct content_decoder *decoder)
{
    struct judge judge;

    judge_begin(&judge, session, session->transaction->arena, "END-OF-MESSAGE");
    if (session->bare_newline == BARE_NEWLINE_REJECT && decoder->bare_newline) {
        session_refuse_bare_newline(session, "END-OF-MESSAGE");
        return false;
    }
    if (too_large(session)) {
        log_warning(&session->log, "queue file size limit exceeded");
        smtpd_reply(session, "552 5.3.4 Error: message file too big");
        return false;
    }
    if (judge_list(&judge, END_OF_DATA_RESTRICTIONS) && judge_end(&judge))
        return true;
    smtpd_reply(session, "%s", judge.reply);
    return false;
}

/* Commits the message and says what became of it. `chunk` is BDAT's size, -1 for DATA. */
static void finish_message(struct smtp_session *session, const struct content_decoder *decoder, long long chunk)
{
    struct transaction *transaction = session->transaction;
    int64_t flags = (transaction->hold != NULL ? CLEANUP_HOLD : 0) | (transaction->discard != NULL ? CLEANUP_DISCARD : 0);
    const char *reason = transaction->discard != NULL ? transaction->discard : transaction->hold;
    struct cleanup_status status;

    if (content_accepted(session, decoder)) {
        submission_end(transaction->submission, flags, reason != NULL ? reason : "", transaction->arena, &status);
        transaction->submission = NULL;
        if (status.code == 250) /* who delivers mail may begin anew with errors */
            session->errors = session->junk = 0;
        if (status.code != 250)
            smtpd_reply(session, "%d %s %s", (int)status.code, status.dsn, status.reason);
        else if (chunk >= 0)
            smtpd_reply(session, "250 2.0.0 Ok: %lld bytes queued as %s", chunk, session->log.identity);
        else
            smtpd_reply(session, "250 2.0.0 Ok: queued as %s", session->log.identity);
    }
    session_end_transaction(session);
}

/* ---- reading ---- */

/* Passes on what was appended to the submission's buffer, as long as the message is not too large. */
static void pass_content(struct smtp_session *session, struct text *buffer, size_t length_before)
{
    struct transaction *transaction = session->transaction;

    transaction->size += (int64_t)(buffer->length - length_before);
    if (too_large(session))
        text_truncate(buffer, length_before);
    else
        submission_extended(transaction->submission);
}

/* With smtpd_per_request_deadline the content has smtpd_timeout as a whole, and each smtpd_min_data_rate bytes earn
 * it a second more. */
static void extend_deadline(struct smtp_session *session, struct deadline *deadline, size_t bytes)
{
    const struct smtpd_config *config = session->smtpd->config;

    if (!config->smtpd_per_request_deadline)
        return;
    deadline->at += (int64_t)bytes * SECONDS / config->smtpd_min_data_rate;
    stream_set_deadline(session->stream, *deadline);
}

/* Reads up to `limit` bytes (-1: to the end of data). False: the connection is lost, or silent for too long. */
static bool read_content(struct smtp_session *session, struct content_decoder *decoder, long long limit)
{
    struct deadline deadline = deadline_in(session->smtpd->config->smtpd_timeout);
    bool good = true;

    extend_deadline(session, &deadline, 0);
    while (good && !decoder->ended && limit != 0) {
        size_t length, length_before;
        struct text *buffer;
        const char *bytes = stream_buffered(session->stream, &length);

        if (length == 0) {
            good = stream_fill(session->stream, CONTENT_CHUNK) == STREAM_OK;
            continue;
        }
        if (limit >= 0 && (long long)length > limit)
            length = (size_t)limit;
        buffer = submission_text(session->transaction->submission);
        length_before = buffer->length;
        length = content_decode(decoder, bytes, length, buffer);
        stream_consume(session->stream, length);
        if (limit > 0)
            limit -= (long long)length;
        extend_deadline(session, &deadline, length);
        pass_content(session, buffer, length_before);
    }
    stream_set_deadline(session->stream, deadline_never());
    return good;
}

void smtpd_data(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;
    struct content_decoder decoder;

    if (transaction != NULL && transaction->content_begun) {
        smtpd_reply(session, "503 5.5.1 Error: DATA after BDAT");
        session_end_transaction(session);
    } else if (transaction == NULL) {
        smtpd_reply(session, "503 5.5.1 Error: need RCPT command");
    } else if (transaction->recipient_count == 0) {
        smtpd_reply(session, "554 5.5.1 Error: no valid recipients");
    } else if (*arguments != '\0') {
        smtpd_reply(session, "501 5.5.4 Syntax: DATA");
    } else if (data_accepted(session)) {
        begin_content(session);
        smtpd_reply(session, "354 End data with <CR><LF>.<CR><LF>");
        if (stream_flush(session->stream) != STREAM_OK)
            return;
        content_decoder_init(&decoder, session->bare_newline, true);
        if (read_content(session, &decoder, -1))
            finish_message(session, &decoder, -1);
    }
}

/* ---- BDAT ---- */

/* "1234" or "1234 LAST". */
static bool parse_chunk(const char *arguments, long long *size, bool *last)
{
    char *end;

    if (!ascii_is_digit(*arguments))
        return false;
    *size = strtoll(arguments, &end, 10);
    if (end - arguments > 18)
        return false;
    while (ascii_is_space(*end))
        end++;
    *last = string_equal_ignore_case(end, "LAST");
    return *last || *end == '\0';
}

/* A chunk that cannot be used is read and dropped: RFC 3030 section 4.2. */
static bool skip_chunk(struct smtp_session *session, long long size)
{
    while (size > 0) {
        size_t length;

        stream_buffered(session->stream, &length);
        if (length == 0 && stream_fill(session->stream, CONTENT_CHUNK) != STREAM_OK)
            return false;
        stream_buffered(session->stream, &length);
        if ((long long)length > size)
            length = (size_t)size;
        stream_consume(session->stream, length);
        size -= (long long)length;
    }
    return true;
}

/* NULL: the chunk belongs to a message. */
static const char *chunk_out_of_order(const struct smtp_session *session)
{
    const struct transaction *transaction = session->transaction;

    if (transaction == NULL)
        return "503 5.5.1 Error: need RCPT command";
    if (transaction->content_failed)
        return "551 5.0.0 Discarded a chunk of a message that was refused";
    if (transaction->recipient_count == 0)
        return "554 5.5.1 Error: no valid recipients";
    return NULL;
}

static void take_chunk(struct smtp_session *session, long long size, bool last)
{
    struct transaction *transaction = session->transaction;
    struct content_decoder *decoder = transaction->decoder;
    struct text *buffer;
    size_t length_before;

    if (!read_content(session, decoder, size))
        return;
    if (!last) {
        transaction->announced += size;
        smtpd_reply(session, "250 2.0.0 Ok: %lld bytes", size);
        return;
    }
    buffer = submission_text(transaction->submission);
    length_before = buffer->length;
    content_decoder_finish(decoder, buffer);
    pass_content(session, buffer, length_before);
    finish_message(session, decoder, transaction->announced + size);
}

void smtpd_bdat(struct smtp_session *session, const char *arguments)
{
    struct transaction *transaction = session->transaction;
    long long size = 0;
    const char *refusal;
    bool last = false;

    if ((session->discarded & EHLO_CHUNKING) != 0) {
        smtpd_reply_and_close(session, "521 5.5.1 Error: command not implemented");
        return;
    }
    if (!parse_chunk(arguments, &size, &last)) {
        client_wait(session);
        log_warning(&session->log, "malformed BDAT command syntax from %s: BDAT %s", session->client.identity, arguments);
        smtpd_reply_and_close(session, "521 5.5.4 Syntax: BDAT count [LAST]");
        return;
    }
    refusal = chunk_out_of_order(session);
    if (refusal == NULL && !transaction->content_begun && !data_accepted(session)) {
        transaction->content_failed = true;
        skip_chunk(session, size);
        return;
    }
    if (refusal != NULL) {
        if (skip_chunk(session, size))
            smtpd_reply(session, "%s", refusal);
        if (last)
            session_end_transaction(session);
        return;
    }
    if (!transaction->content_begun) {
        begin_content(session);
        transaction->decoder = arena_alloc(transaction->arena, sizeof *transaction->decoder);
        content_decoder_init(transaction->decoder, session->bare_newline, false);
    }
    take_chunk(session, size, last);
}
