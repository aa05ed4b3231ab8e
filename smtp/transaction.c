#include "smtp/transaction.h"

#include <string.h>

#include "mail/address/address.h"
#include "smtp/content.h"
#include "smtp/envelope.h"
#include "smtp/xforward.h"

/* What is unread on the way to the server at most, so that both sides never wait for the other to read. */
enum { COMMANDS_AHEAD = 16384 };

enum command { COMMAND_RSET, COMMAND_XFORWARD_CLIENT, COMMAND_XFORWARD_SESSION, COMMAND_MAIL, COMMAND_RCPT, COMMAND_DATA, COMMAND_END };

struct expected {
    enum command command;
    size_t recipient; /* for RCPT */
};

struct transaction {
    struct smtp_session *session;
    struct delivery *delivery;
    const struct transaction_terms *terms;
    struct transaction_refusal *refusals;
    struct smtp_trouble *trouble; /* NULL: none */
    struct expected *expected; /* a ring is not needed: it is emptied before it would wrap */
    size_t expected_first, expected_end;
    size_t bytes_ahead;
    bool *taken;               /* by recipient: RCPT was accepted */
    size_t taken_count;
    bool had_reply, stale, mail_taken, data_taken;
};

/* ---- what replies mean ---- */

static const char *reply_text(struct transaction *transaction)
{
    return smtp_reply_line(&transaction->session->reply, transaction->delivery->arena);
}

static struct delivery_result result_of(struct transaction *transaction, const char *dsn, const char *reason)
{
    const struct smtp_session *session = transaction->session;
    struct arena *arena = transaction->delivery->arena;

    return (struct delivery_result){
        .relay = arena_copy(arena, session->relay),
        .connection_uses = session->uses,
        .tls = transaction->terms->tls_status,
        .dsn = arena_copy(arena, dsn),
        .reason = reason,
        .relayed = !session->client->lmtp,
        .peer_reports = (session->offer.features & EHLO_DSN) != 0,
    };
}

/* The outcome is what the server said. */
static void quote_server(const struct transaction *transaction, struct delivery_result *result, const char *text)
{
    result->diagnostic_type = "smtp";
    result->diagnostic = text;
    result->remote_mta = arena_copy(transaction->delivery->arena, transaction->session->host);
}

/* One recipient is refused: for good, or by this server for now. */
static void refuse(struct transaction *transaction, size_t recipient, const struct delivery_result *result)
{
    transaction->taken[recipient] = false;
    if (*result->dsn == '5')
        delivery_fail(transaction->delivery, recipient, result);
    else
        transaction->refusals[recipient].result = *result;
}

/* What a command is called when it was refused, and when the connection was lost over it. */
static const struct {
    const char *name, *doing;
} commands[] = {
    [COMMAND_RSET] = {"RSET", "sending RSET"},
    [COMMAND_XFORWARD_CLIENT] = {"XFORWARD name/address", "sending XFORWARD name/address"},
    [COMMAND_XFORWARD_SESSION] = {"XFORWARD helo/protocol", "sending XFORWARD protocol/helo_name"},
    [COMMAND_MAIL] = {"MAIL FROM", "sending MAIL FROM"},
    [COMMAND_RCPT] = {"RCPT TO", "sending RCPT TO"},
    [COMMAND_DATA] = {"DATA", "sending DATA command"},
    [COMMAND_END] = {"end of DATA", "sending end of data -- message may be sent more than once"},
};

/* The reply at hand refuses what the command asked for. */
static struct delivery_result refusal(struct transaction *transaction, enum command command)
{
    const struct smtp_session *session = transaction->session;
    const char *text = reply_text(transaction);
    bool protocol_error = session->reply.code < 400;
    const char *reason = arena_format(transaction->delivery->arena, "%shost %s said: %s (in reply to %s command)",
                                      protocol_error ? "Protocol error: " : "", session->peer, text,
                                      commands[command].name);
    struct delivery_result result = result_of(transaction, protocol_error ? "5.5.0" : session->reply.dsn, reason);

    quote_server(transaction, &result, text);
    return result;
}

/* The reply at hand takes what was asked for. */
static struct delivery_result acceptance(struct transaction *transaction)
{
    const char *text = reply_text(transaction);
    struct delivery_result result = result_of(transaction, transaction->session->reply.dsn, text);

    quote_server(transaction, &result, text);
    return result;
}

/* All that are still waiting; with only_taken, those for which the server has taken the RCPT. */
static void refuse_all(struct transaction *transaction, const struct delivery_result *result, bool only_taken)
{
    struct delivery *delivery = transaction->delivery;

    for (size_t i = 0; i < delivery->recipient_count; i++)
        if (!delivery->settled[i] && (!only_taken || transaction->taken[i]))
            refuse(transaction, i, result);
}

static bool positive(const struct transaction *transaction)
{
    return transaction->session->reply.code / 100 == 2;
}

/* A filter that does not want to know is no reason to keep the message from it. */
static void take_xforward_reply(struct transaction *transaction, enum command command)
{
    if (!positive(transaction))
        log_warning(NULL, "host %s said: %s (in reply to %s command)", transaction->session->relay, reply_text(transaction),
                    commands[command].name);
}

static void take_mail_reply(struct transaction *transaction)
{
    transaction->mail_taken = positive(transaction);
    if (!transaction->mail_taken) {
        struct delivery_result result = refusal(transaction, COMMAND_MAIL);

        refuse_all(transaction, &result, false);
    }
}

static void take_rcpt_reply(struct transaction *transaction, size_t recipient)
{
    struct delivery *delivery = transaction->delivery;
    struct delivery_result result;

    if (!transaction->mail_taken)
        return;
    if (!positive(transaction)) {
        result = refusal(transaction, COMMAND_RCPT);
        refuse(transaction, recipient, &result);
    } else if ((delivery->request.flags & DELIVERY_PROBE) != 0) {
        result = acceptance(transaction);
        delivery_sent(delivery, recipient, &result);
    } else {
        transaction->taken[recipient] = true;
        transaction->taken_count++;
    }
}

static void take_data_reply(struct transaction *transaction)
{
    transaction->data_taken = transaction->session->reply.code / 100 == 3;
    if (!transaction->data_taken && transaction->taken_count > 0) {
        struct delivery_result result = refusal(transaction, COMMAND_DATA);

        refuse_all(transaction, &result, true);
    }
}

/* What became of the message for one recipient. */
static void settle_taken(struct transaction *transaction, size_t recipient)
{
    struct delivery_result result;

    if (positive(transaction)) {
        result = acceptance(transaction);
        delivery_sent(transaction->delivery, recipient, &result);
    } else {
        result = refusal(transaction, COMMAND_END);
        refuse(transaction, recipient, &result);
    }
}

/* SMTP answers for all recipients at once, LMTP for each (RFC 2033 section 4.2). */
static void take_end_reply(struct transaction *transaction, size_t recipient)
{
    transaction->session->needs_reset = false;
    if (transaction->session->client->lmtp) {
        settle_taken(transaction, recipient);
        return;
    }
    for (size_t i = 0; i < transaction->delivery->recipient_count; i++)
        if (transaction->taken[i])
            settle_taken(transaction, i);
}

static void take_reply(struct transaction *transaction, const struct expected *expected)
{
    switch (expected->command) {
    case COMMAND_RSET: break;
    case COMMAND_XFORWARD_CLIENT:
    case COMMAND_XFORWARD_SESSION: take_xforward_reply(transaction, expected->command); break;
    case COMMAND_MAIL: take_mail_reply(transaction); break;
    case COMMAND_RCPT: take_rcpt_reply(transaction, expected->recipient); break;
    case COMMAND_DATA: take_data_reply(transaction); break;
    case COMMAND_END: take_end_reply(transaction, expected->recipient); break;
    }
}

static duration reply_limit(const struct transaction *transaction, enum command command)
{
    const struct smtp_config *config = transaction->session->client->config;
    const duration limits[] = {
        [COMMAND_RSET] = config->rset_timeout,
        [COMMAND_XFORWARD_CLIENT] = config->xforward_timeout,
        [COMMAND_XFORWARD_SESSION] = config->xforward_timeout,
        [COMMAND_MAIL] = config->mail_timeout,
        [COMMAND_RCPT] = config->rcpt_timeout,
        [COMMAND_DATA] = config->data_init_timeout,
        [COMMAND_END] = config->data_done_timeout,
    };

    return limits[command];
}

/* ---- commands out, replies in ---- */

/* The text of it is long: most conversations have none. */
static struct smtp_trouble *make_trouble(struct transaction *transaction)
{
    transaction->trouble = arena_alloc(transaction->delivery->arena, sizeof *transaction->trouble);
    return transaction->trouble;
}

/* The server says that it is closing (RFC 5321 section 3.8): that is the answer to all that it did not answer. */
static void take_farewell(struct transaction *transaction, const struct expected *expected)
{
    struct smtp_trouble *trouble = make_trouble(transaction);
    struct delivery_result result = refusal(transaction, expected->command);

    transaction->session->dead = true;
    trouble->dsn = result.dsn;
    trouble->relay = result.relay;
    trouble->remote_mta = result.remote_mta;
    trouble->diagnostic = result.diagnostic;
    error_set(&trouble->reason, "%s", result.reason);
}

static bool read_reply(struct transaction *transaction, const struct expected *expected)
{
    struct smtp_session *session = transaction->session;
    bool may_be_stale = !transaction->had_reply && session->uses > 1;

    transaction->had_reply = true;
    if (!smtp_session_receive(session, reply_limit(transaction, expected->command))) {
        transaction->stale = may_be_stale && stream_status(session->stream) != STREAM_TIMEOUT;
        smtp_session_lost(session, commands[expected->command].doing, transaction->delivery->arena,
                          make_trouble(transaction));
        return false;
    }
    if (session->reply.code != 421) {
        take_reply(transaction, expected);
        return true;
    }
    transaction->stale = may_be_stale;
    take_farewell(transaction, expected);
    if (!transaction->stale)
        take_reply(transaction, expected);
    return false;
}

/* False: the conversation has ended; trouble says why. */
static bool read_replies(struct transaction *transaction)
{
    while (transaction->expected_first < transaction->expected_end) {
        if (!read_reply(transaction, &transaction->expected[transaction->expected_first++]))
            return false;
        if (transaction->expected_first < transaction->expected_end)
            smtp_session_hurry(transaction->session);
    }
    transaction->expected_first = transaction->expected_end = 0;
    transaction->bytes_ahead = 0;
    return true;
}

static void expect(struct transaction *transaction, enum command command, size_t recipient)
{
    transaction->expected[transaction->expected_end++] =
        (struct expected){.command = command, .recipient = recipient};
}

/* The session's command is complete. False as read_replies. */
static bool say(struct transaction *transaction, enum command command, size_t recipient)
{
    struct smtp_session *session = transaction->session;
    struct text *line = &session->command;

    text_append(line, "\r\n");
    stream_write(session->stream, line->data, line->length);
    transaction->bytes_ahead += line->length;
    text_clear(line);
    expect(transaction, command, recipient);
    if ((session->offer.features & EHLO_PIPELINING) != 0 && transaction->bytes_ahead < COMMANDS_AHEAD)
        return true;
    return read_replies(transaction);
}

static bool say_who_sent_it(struct transaction *transaction)
{
    struct smtp_session *session = transaction->session;
    const struct delivery_request *request = &transaction->delivery->request;
    int offered = session->offer.xforward;

    if (!session->client->config->send_xforward_command)
        return true;
    return (!xforward_command(request, offered, XFORWARD_CLIENT, &session->command) ||
            say(transaction, COMMAND_XFORWARD_CLIENT, 0)) &&
           (!xforward_command(request, offered, XFORWARD_SESSION, &session->command) ||
            say(transaction, COMMAND_XFORWARD_SESSION, 0));
}

static bool say_envelope(struct transaction *transaction, const struct envelope *envelope)
{
    struct delivery *delivery = transaction->delivery;
    struct text *command = &transaction->session->command;
    bool pipelining = (transaction->session->offer.features & EHLO_PIPELINING) != 0;

    text_clear(command);
    if (transaction->session->needs_reset) {
        text_append(command, "RSET");
        if (!say(transaction, COMMAND_RSET, 0))
            return false;
    }
    if (!say_who_sent_it(transaction))
        return false;
    envelope_mail(envelope, command);
    if (!say(transaction, COMMAND_MAIL, 0))
        return false;
    transaction->session->needs_reset = true;
    for (size_t i = 0; i < delivery->recipient_count; i++) {
        if (delivery->settled[i] || (!pipelining && !transaction->mail_taken))
            continue;
        envelope_rcpt(envelope, &delivery->recipients[i], command);
        if (!say(transaction, COMMAND_RCPT, i))
            return false;
    }
    return true;
}

/* ---- the content ---- */

/* The connection broke while the content was under way. What the server has of it, it must drop. */
static bool lose_content(struct transaction *transaction)
{
    smtp_session_lost(transaction->session, "sending message body", transaction->delivery->arena,
                      make_trouble(transaction));
    return false;
}

/* Our own file cannot be read: no other server would get more of it. */
static bool drop_damaged(struct transaction *transaction)
{
    struct delivery_result result = result_of(transaction, "4.3.0", "mail queue file is damaged");
    struct smtp_trouble *trouble = make_trouble(transaction);

    log_warning(&transaction->delivery->log, "queue file is damaged");
    transaction->session->dead = true;
    error_set(&trouble->reason, "%s", result.reason);
    trouble->dsn = result.dsn;
    for (size_t i = 0; i < transaction->delivery->recipient_count; i++)
        if (transaction->taken[i])
            delivery_defer(transaction->delivery, i, &result);
    return false;
}

static void expect_end(struct transaction *transaction)
{
    if (!transaction->session->client->lmtp) {
        expect(transaction, COMMAND_END, 0);
        return;
    }
    for (size_t i = 0; i < transaction->delivery->recipient_count; i++)
        if (transaction->taken[i])
            expect(transaction, COMMAND_END, i);
}

static bool send_content(struct transaction *transaction, const struct envelope *envelope)
{
    struct smtp_session *session = transaction->session;
    const struct smtp_config *config = session->client->config;
    enum content_status status = CONTENT_SENT;

    stream_set_timeout(session->stream, config->data_xfer_timeout);
    if (transaction->taken_count == 0) /* nobody to get it, yet the server waits for an end */
        stream_print(session->stream, ".\r\n");
    else
        status = content_send(session->stream, transaction->delivery->fd,
                              (off_t)transaction->delivery->request.data_offset,
                              (size_t)config->line_length_limit,
                              envelope->downgrade ? &session->client->mime_limits : NULL);
    if (status == CONTENT_DAMAGED)
        return drop_damaged(transaction);
    if (status == CONTENT_LOST || stream_flush(session->stream) != STREAM_OK)
        return lose_content(transaction);
    expect_end(transaction);
    return read_replies(transaction);
}

/* After the end of data a lost connection leaves open whether the message was taken. Another server is not asked:
 * that would make a second copy certain where it is only possible. */
static void defer_uncertain(struct transaction *transaction)
{
    struct delivery_result result = result_of(transaction, transaction->trouble->dsn, transaction->trouble->reason.text);

    for (size_t i = 0; i < transaction->delivery->recipient_count; i++)
        if (!transaction->delivery->settled[i] && transaction->taken[i] && transaction->refusals[i].result.dsn == NULL)
            delivery_defer(transaction->delivery, i, &result);
}

static bool converse(struct transaction *transaction, const struct envelope *envelope)
{
    struct smtp_session *session = transaction->session;
    bool pipelining = (session->offer.features & EHLO_PIPELINING) != 0;
    bool probe = (transaction->delivery->request.flags & DELIVERY_PROBE) != 0;

    if (!say_envelope(transaction, envelope))
        return false;
    if (!probe && (pipelining || transaction->taken_count > 0)) {
        text_append(&transaction->session->command, "DATA");
        if (!say(transaction, COMMAND_DATA, 0))
            return false;
    }
    if (!read_replies(transaction))
        return false;
    if (!transaction->data_taken)
        return true;
    if (send_content(transaction, envelope))
        return true;
    if (transaction->expected_end > 0)
        defer_uncertain(transaction);
    return false;
}

enum transaction_status smtp_transaction_run(struct smtp_session *session, struct delivery *delivery,
                                             const struct transaction_terms *terms,
                                             struct transaction_refusal *refusals,
                                             const struct smtp_trouble **trouble)
{
    struct transaction transaction = {
        .session = session, .delivery = delivery, .terms = terms, .refusals = refusals};
    struct envelope envelope;
    struct delivery_result refused;
    enum transaction_status status;

    transaction.taken = arena_alloc(delivery->arena, delivery->recipient_count * sizeof *transaction.taken);
    /* RSET, XFORWARD twice, MAIL, DATA and the end beside the recipients. */
    transaction.expected =
        arena_alloc(delivery->arena, (delivery->recipient_count + 6) * sizeof *transaction.expected);
    if (envelope_prepare(session, delivery, &envelope)) {
        envelope.requiretls = terms->requiretls;
        status = converse(&transaction, &envelope) ? TRANSACTION_DONE : TRANSACTION_BROKEN;
    } else {
        refused = result_of(&transaction, envelope.refused_dsn, envelope.refused_reason);
        refuse_all(&transaction, &refused, false);
        status = TRANSACTION_DONE;
    }
    *trouble = transaction.trouble;
    return transaction.stale ? TRANSACTION_STALE : status;
}
