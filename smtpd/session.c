#include "smtpd/session.h"

#include <string.h>

#include "mail/submit/submission.h"
#include "smtpd/auth.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"
#include "smtpd/tls.h"
#include "smtpd/xclient.h"

void session_end_transaction(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;

    session->log.identity = "NOQUEUE";
    session->transaction = NULL;
    xforward_forget(session);
    if (transaction == NULL)
        return;
    if (transaction->submission != NULL)
        submission_abandon(transaction->submission);
    text_free(&transaction->prepend);
    text_free(&transaction->bcc);
    arena_free(transaction->arena);
}

/* ---- the greeting ---- */

/* What depends on who the client is; needs no name when lists are by address. */
static void classify_client(struct smtp_session *session)
{
    struct smtpd *smtpd = session->smtpd;
    struct arena *arena = arena_new();
    struct judge judge;
    struct error error;

    session->bare_newline = smtpd->unchecked ? BARE_NEWLINE_NO : smtpd->bare_newline;
    if (session->bare_newline != BARE_NEWLINE_NO &&
        match_list_client(smtpd->bare_newline_exclusions, session->client.name.name, &session->client.address,
                          &error) == MATCH_YES)
        session->bare_newline = BARE_NEWLINE_NO;
    judge_begin(&judge, session, arena, "CONNECT");
    judge.kind = LOCAL_REWRITE_CLIENTS;
    session->local_rewrite =
        smtpd->unchecked || restrictions_run(&judge, smtpd->restrictions[LOCAL_REWRITE_CLIENTS]) == JUDGE_PERMIT;
    arena_free(arena);
}

void session_greet(struct smtp_session *session)
{
    struct smtpd *smtpd = session->smtpd;
    struct judge judge;

    classify_client(session);
    judge_begin(&judge, session, session->arena, session->where);
    if (!smtpd->config->smtpd_delay_reject && (!judge_list(&judge, CLIENT_RESTRICTIONS) || !judge_end(&judge))) {
        session->denied = true;
        smtpd_reply(session, "%s", judge.reply);
        return;
    }
    smtpd_reply(session, "220 %s", smtpd->config->smtpd_banner);
}

/* ---- out of step ---- */

bool session_out_of_step(struct smtp_session *session)
{
    struct text shown = {0};
    const char *bytes;
    size_t length;

    if (session->smtpd->unchecked || !session->smtpd->config->smtpd_forbid_unauth_pipelining ||
        !stream_has_input(session->stream))
        return false;
    client_wait(session);
    stream_fill(session->stream, 1);
    bytes = stream_buffered(session->stream, &length);
    for (size_t i = 0; i < length && i < 100; i++)
        text_append(&shown, bytes[i] == '\r' ? "\\r" : bytes[i] == '\n' ? "\\n" : (const char[]){bytes[i], '\0'});
    auth_hide(session, &shown);
    log_info(NULL, "improper command pipelining after %s from %s: %s", session->where, session->client.identity,
             string_printable(shown.data != NULL ? shown.data : (char[]){""}, true));
    text_free(&shown);
    smtpd_reply_and_close(session, "554 5.5.0 Error: SMTP protocol synchronization");
    return true;
}

void session_refuse_bare_newline(struct smtp_session *session, const char *stage)
{
    struct judge judge = {.session = session, .stage = stage};

    client_wait(session);
    judge_log(&judge, "reject", "bare <LF> received");
    smtpd_reply(session, "%ld 5.5.2 %s Error: bare <LF> received",
                session->smtpd->config->smtpd_forbid_bare_newline_reject_code, session->smtpd->mail->myhostname);
}

/* ---- one command ---- */

static bool is_listed(struct match_list *list, const char *verb)
{
    struct error error;

    return match_list_string(list, verb, &error) == MATCH_YES;
}

static void refuse_foreign_protocol(struct smtp_session *session, const char *line)
{
    client_wait(session);
    log_warning(NULL, "non-SMTP command from %s: %s", session->client.identity, line);
    smtpd_reply_and_close(session, "221 2.7.0 Error: I can break rules, too. Goodbye.");
}

static void count_junk(struct smtp_session *session, const struct command *command)
{
    if ((command->flags & COMMAND_JUNK) != 0 && ++session->junk > session->smtpd->config->smtpd_junk_command_limit)
        session->errors++;
}

static void run_command(struct smtp_session *session, size_t index, const char *verb, const char *arguments)
{
    const struct command *command = &smtpd_commands[index];
    bool must_wait = (command->flags & COMMAND_LAST) != 0 || !session->extended;

    if ((command->flags & COMMAND_TLS) != 0 && smtpd_tls_missing(session)) {
        smtpd_reply(session, "530 5.7.0 Must issue a STARTTLS command first");
        return;
    }
    session->where = command->verb != NULL ? command->verb : "UNKNOWN";
    if (must_wait && command->verb != NULL && strcmp(command->verb, "QUIT") != 0 && session_out_of_step(session))
        return;
    if (session->denied && command->verb != NULL && strcmp(command->verb, "QUIT") != 0) {
        smtpd_reply(session, "503 5.7.0 Error: access denied for %s", session->client.identity);
        return;
    }
    if (command->verb == NULL && is_listed(session->smtpd->noop_commands, verb))
        smtpd_reply(session, "250 2.0.0 Ok");
    else
        command->run(session, arguments);
    count_junk(session, command);
}

/* Takes the line apart: blanks, verb, blanks, arguments, blanks. */
static void take_line(struct smtp_session *session)
{
    char *line = string_trim(session->line.data), *arguments;
    char verb[32];
    size_t length = strcspn(line, " \t"), index;

    if (!string_valid_utf8(line, strlen(line))) {
        smtpd_reply(session, "500 5.5.2 Error: bad UTF-8 syntax");
        return;
    }
    if (*line == '\0') {
        smtpd_reply(session, "500 5.5.2 Error: bad syntax");
        return;
    }
    arguments = line + length + strspn(line + length, " \t");
    /* A verb that is longer than any is an unknown one. */
    length = length < sizeof verb ? length : sizeof verb - 1;
    memcpy(verb, line, length);
    verb[length] = '\0';
    index = smtpd_command_find(verb);
    session->total[index]++;
    session->failed = false;
    if (smtpd_commands[index].verb == NULL && is_listed(session->smtpd->forbidden_commands, verb))
        refuse_foreign_protocol(session, line);
    else
        run_command(session, index, verb, arguments);
    if (!session->failed && stream_status(session->stream) == STREAM_OK && smtpd_commands[index].verb != NULL)
        session->good[index]++;
}

/* ---- the conversation ---- */

static enum stream_status read_command(struct smtp_session *session)
{
    size_t limit = (size_t)session->smtpd->mail->line_length_limit, buffered;
    enum stream_status status;
    bool carriage_return = true;

    stream_buffered(session->stream, &buffered);
    if (buffered == 0)
        stream_flush(session->stream); /* replies of a pipelined group leave together */
    status = stream_read_line(session->stream, &session->line, limit, &carriage_return);
    if (status == STREAM_TOO_LONG) {
        struct text shown = {0};

        client_wait(session);
        text_append_bytes(&shown, session->line.data, 30);
        auth_hide(session, &shown);
        log_warning(NULL, "%s: request longer than %zu: %s...", session->client.identity, limit,
                    string_printable(shown.data, true));
        text_free(&shown);
        status = STREAM_OK;
    }
    if (status == STREAM_OK && session->line.data == NULL)
        text_reserve(&session->line, 0);
    if (status == STREAM_OK && !carriage_return && session->bare_newline == BARE_NEWLINE_REJECT) {
        session_refuse_bare_newline(session, session->where);
        session->closing = true;
    }
    return status;
}

static void converse(struct smtp_session *session)
{
    const char *host = session->smtpd->mail->myhostname;

    while (!session->closing && stream_status(session->stream) == STREAM_OK) {
        if (session->errors >= session->smtpd->config->smtpd_hard_error_limit) {
            client_wait(session);
            log_info(NULL, "too many errors after %s from %s", session->where, session->client.identity);
            smtpd_reply_and_close(session, "421 4.7.0 %s Error: too many errors", host);
            break;
        }
        if (read_command(session) == STREAM_OK && !session->closing)
            take_line(session);
    }
}

/* Why it ended, when nobody said so. */
static void report_loss(struct smtp_session *session)
{
    bool in_content = session->transaction != NULL && session->transaction->content_begun;
    const char *where = in_content ? arena_format(session->arena, "%s (%lld bytes)", session->where,
                                                  (long long)session->transaction->size)
                                   : session->where;

    switch (stream_status(session->stream)) {
    case STREAM_TIMEOUT:
        log_info(NULL, "timeout after %s from %s", where, session->client.identity);
        break;
    case STREAM_EOF:
    case STREAM_FAILED:
        log_info(NULL, "lost connection after %s from %s", where, session->client.identity);
        break;
    default: break;
    }
}

/* RFC 5321 section 3.8: the client is told, though it may not listen any more. */
static void tell_timeout(struct smtp_session *session)
{
    static const char format[] = "421 4.4.2 %s Error: timeout exceeded\r\n";
    const char *line = arena_format(session->arena, format, session->smtpd->mail->myhostname);

    if (stream_status(session->stream) == STREAM_TIMEOUT && !stream_has_transport(session->stream))
        (void)!send(stream_fd(session->stream), line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void log_disconnect(struct smtp_session *session)
{
    struct text counts = {0};
    long good = 0, total = 0;

    for (size_t i = 0; i < COMMAND_LIMIT; i++) {
        const char *verb = session->total[i] > 0 ? smtpd_commands[i].verb : NULL;
        char name[16] = "unknown";

        if (session->total[i] == 0)
            continue;
        if (verb != NULL)
            strcpy(name, verb);
        ascii_lower_string(name);
        text_append_format(&counts, " %s=%ld", name, session->good[i]);
        if (session->good[i] != session->total[i])
            text_append_format(&counts, "/%ld", session->total[i]);
        good += session->good[i];
        total += session->total[i];
    }
    text_append_format(&counts, " commands=%ld", good);
    if (good != total || total == 0)
        text_append_format(&counts, "/%ld", total);
    log_info(NULL, "disconnect from %s%s", session->client.identity, text_string(&counts));
    text_free(&counts);
}

/* smtpd_tls_wrappermode: TLS comes before the greeting. True: there is nobody to greet. */
static bool begin_wrapped(struct smtp_session *session)
{
    struct smtpd_tls *tls = session->smtpd->tls;

    if (tls == NULL || !tls->wrapped)
        return false;
    if (smtpd_tls_ready(tls))
        return !limits_allow_handshake(session) || !smtpd_tls_begin(session);
    client_wait(session);
    log_warning(NULL, "TLS is not available: no greeting for %s", session->client.identity);
    session->closing = true;
    return true;
}

void smtpd_session(struct service_session *service_session)
{
    struct smtp_session *session;
    struct smtpd *smtpd = service_session->environment->state;
    struct arena *arena = arena_new();

    session = arena_alloc(arena, sizeof *session);
    session->smtpd = smtpd;
    session->arena = arena;
    session->stream = service_session->stream;
    session->protocol = "SMTP";
    session->where = "CONNECT";
    session->log.identity = "NOQUEUE";
    session->server = net_address_from_socket((const struct sockaddr *)&service_session->local,
                                              sizeof service_session->local);
    stream_set_timeout(session->stream, smtpd->config->smtpd_timeout);
    client_begin(session, service_session);
    if (limits_begin(session) && !begin_wrapped(session))
        session_greet(session);
    converse(session);
    stream_flush(session->stream);
    limits_end(session);
    client_end(session);
    report_loss(session);
    tell_timeout(session);
    session_end_transaction(session);
    log_disconnect(session);
    text_free(&session->line);
    arena_free(arena);
}
