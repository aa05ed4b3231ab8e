#include "smtpd/command.h"

#include <string.h>

#include "mail/address/address.h"
#include "smtpd/client.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"

static void run_rset(struct smtp_session *session, const char *arguments)
{
    if (*arguments != '\0') {
        smtpd_reply(session, "501 5.5.4 Syntax: RSET");
        return;
    }
    session_end_transaction(session);
    smtpd_reply(session, "250 2.0.0 Ok");
}

static void run_noop(struct smtp_session *session, const char *arguments)
{
    (void)arguments;
    smtpd_reply(session, "250 2.0.0 Ok");
}

static void run_quit(struct smtp_session *session, const char *arguments)
{
    (void)arguments;
    smtpd_reply_and_close(session, "221 2.0.0 Bye");
}

static void run_help(struct smtp_session *session, const char *arguments)
{
    (void)arguments;
    smtpd_reply(session, "214 2.0.0 Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY ETRN QUIT HELP");
}

/* Says whether mail for the address would be taken, as RCPT would (RFC 5321 section 3.5). */
static void run_vrfy(struct smtp_session *session, const char *arguments)
{
    struct text address = {0};
    const char *rest;

    if (session->smtpd->config->disable_vrfy_command) {
        smtpd_reply(session, "502 5.5.1 VRFY command is disabled");
    } else if (*arguments == '\0') {
        smtpd_reply(session, "501 5.5.4 Syntax: VRFY address%s",
                    session->smtpd->mail->smtputf8_enable ? " [SMTPUTF8]" : "");
    } else if (!address_parse_path(arguments, false, session->smtpd->mail->smtputf8_enable, &address, &rest) ||
               address.length == 0) {
        smtpd_reply(session, "501 5.1.3 Bad recipient address syntax");
    } else if (limits_allow(session, ANVIL_RECIPIENT)) {
        struct arena *arena = arena_new();
        struct transaction *held = session->transaction; /* goes on afterwards: RFC 5321 section 4.1.4 */
        struct transaction probe = {.arena = arena,
                                    .sender = held != NULL ? held->sender : "",
                                    .recipient = {.address = text_string(&address)}};
        struct judge judge;

        client_wait(session);
        session->transaction = &probe;
        judge_begin(&judge, session, arena, "VRFY");
        if (judge_list(&judge, CLIENT_RESTRICTIONS) && judge_list(&judge, RELAY_RESTRICTIONS) &&
            judge_list(&judge, RECIPIENT_RESTRICTIONS) && judge_unlisted_recipient(&judge) && judge_end(&judge))
            smtpd_reply(session, "252 2.0.0 %s", arguments);
        else
            smtpd_reply(session, "%s", judge.reply);
        session->transaction = held;
        text_free(&probe.prepend);
        text_free(&probe.bcc);
        arena_free(arena);
    }
    text_free(&address);
}

/* Without per-destination queues to flush there is no service to give (RFC 1985). */
static void run_etrn(struct smtp_session *session, const char *arguments)
{
    if (session->helo == NULL && session->smtpd->config->smtpd_helo_required) {
        smtpd_reply(session, "503 Error: send HELO/EHLO first");
    } else if (session->transaction != NULL) {
        smtpd_reply(session, "503 Error: MAIL transaction in progress");
    } else if (*arguments == '\0' || strchr(arguments, ' ') != NULL) {
        smtpd_reply(session, "500 Syntax: ETRN domain");
    } else {
        struct arena *arena = arena_new();
        struct judge judge;

        client_wait(session);
        judge_begin(&judge, session, arena, "ETRN");
        if (!judge_list(&judge, CLIENT_RESTRICTIONS) || !judge_list(&judge, HELO_RESTRICTIONS) ||
            !judge_list(&judge, ETRN_RESTRICTIONS) || !judge_end(&judge)) {
            smtpd_reply(session, "%s", judge.reply);
        } else {
            log_warning(NULL, "reject: ETRN %s... from %s", arguments, session->client.identity);
            if (session->smtpd->unchecked)
                smtpd_reply(session, "458 Unable to queue messages");
            else
                smtpd_reply(session, "459 <%s>: service unavailable", arguments);
        }
        arena_free(arena);
    }
}

static void run_unknown(struct smtp_session *session, const char *arguments)
{
    (void)arguments;
    smtpd_reply(session, "500 5.5.2 Error: command not recognized");
}

const struct command smtpd_commands[] = {
    {"HELO", COMMAND_LAST, smtpd_helo},
    {"EHLO", COMMAND_LAST, smtpd_ehlo},
    {"XCLIENT", COMMAND_LAST, smtpd_xclient},
    {"XFORWARD", 0, smtpd_xforward},
    {"STARTTLS", COMMAND_LAST, smtpd_starttls},
    {"AUTH", COMMAND_LAST | COMMAND_TLS, smtpd_auth},
    {"MAIL", COMMAND_TLS, smtpd_mail},
    {"RCPT", COMMAND_TLS, smtpd_rcpt},
    {"DATA", COMMAND_LAST | COMMAND_TLS, smtpd_data},
    {"BDAT", COMMAND_TLS, smtpd_bdat},
    {"RSET", COMMAND_JUNK | COMMAND_TLS, run_rset},
    {"NOOP", COMMAND_LAST | COMMAND_JUNK, run_noop},
    {"VRFY", COMMAND_LAST | COMMAND_JUNK | COMMAND_TLS, run_vrfy},
    {"ETRN", COMMAND_LAST | COMMAND_JUNK | COMMAND_TLS, run_etrn},
    {"HELP", COMMAND_JUNK, run_help},
    {"QUIT", 0, run_quit},
    {NULL, 0, run_unknown},
};

_Static_assert(sizeof smtpd_commands / sizeof *smtpd_commands <= COMMAND_LIMIT, "the counters have a place for each");

size_t smtpd_command_find(const char *verb)
{
    size_t index = 0;

    while (smtpd_commands[index].verb != NULL && !string_equal_ignore_case(smtpd_commands[index].verb, verb))
        index++;
    return index;
}
