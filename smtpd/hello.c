/* HELO and EHLO: RFC 5321 section 4.1.1.1. */
#include <stdlib.h>
#include <string.h>

#include "smtpd/auth.h"
#include "smtpd/client.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"
#include "smtpd/restriction.h"
#include "smtpd/tls.h"
#include "smtpd/xclient.h"
#include "util/base/memory.h"

static const struct {
    const char *name;
    unsigned keyword;
} keyword_names[] = {
    {"pipelining", EHLO_PIPELINING},
    {"size", EHLO_SIZE},
    {"vrfy", EHLO_VRFY},
    {"etrn", EHLO_ETRN},
    {"starttls", EHLO_STARTTLS},
    {"auth", EHLO_AUTH},
    {"xclient", EHLO_XCLIENT},
    {"xforward", EHLO_XFORWARD},
    {"enhancedstatuscodes", EHLO_ENHANCEDSTATUSCODES},
    {"8bitmime", EHLO_8BITMIME},
    {"dsn", EHLO_DSN},
    {"smtputf8", EHLO_SMTPUTF8},
    {"chunking", EHLO_CHUNKING},
    {"requiretls", EHLO_REQUIRETLS},
    {"silent-discard", EHLO_SILENT},
};

unsigned ehlo_keywords_parse(const char *names)
{
    char *copy = memory_copy_string(names), *cursor = copy, *word;
    unsigned keywords = 0;

    while ((word = string_next_word(&cursor, " \t\r\n,")) != NULL)
        for (size_t i = 0; i < sizeof keyword_names / sizeof *keyword_names; i++)
            if (string_equal_ignore_case(word, keyword_names[i].name))
                keywords |= keyword_names[i].keyword;
    free(copy);
    return keywords;
}

static void append_upper(struct text *text, const char *name)
{
    for (; *name != '\0'; name++)
        text_append_char(text, ascii_is_alpha(*name) ? (char)(*name - 'a' + 'A') : *name);
}

static void log_discarded(unsigned keywords)
{
    struct text list = {0};

    for (size_t i = 0; i < sizeof keyword_names / sizeof *keyword_names; i++) {
        if ((keywords & keyword_names[i].keyword) == 0)
            continue;
        text_append_char(&list, ' ');
        append_upper(&list, keyword_names[i].name);
    }
    log_info(NULL, "discarding EHLO keywords:%s", text_string(&list));
    text_free(&list);
}

/* smtpd_discard_ehlo_keyword_address_maps overrules the list for all. */
static unsigned discarded_for(struct smtp_session *session)
{
    struct smtpd *smtpd = session->smtpd;
    const char *names = smtpd->config->smtpd_discard_ehlo_keywords;
    struct text found = {0};
    struct error error;
    unsigned keywords;

    switch (smtpd->unchecked ? TABLE_NOT_FOUND
                             : table_list_lookup(smtpd->discarded_keywords, session->client.address_text, &found, &error)) {
    case TABLE_FOUND: names = text_string(&found); break;
    case TABLE_ERROR: log_warning(NULL, "smtpd_discard_ehlo_keyword_address_maps: %s", error.text); break;
    default: break;
    }
    keywords = ehlo_keywords_parse(names);
    text_free(&found);
    if (keywords != 0 && (keywords & EHLO_SILENT) == 0)
        log_discarded(keywords);
    return keywords;
}

/* True: the name was taken; a new greeting ends the transaction. */
static bool take_name(struct smtp_session *session, const char *verb, const char *arguments)
{
    struct arena *arena;
    struct judge judge;
    bool accepted = true;

    if (*arguments == '\0') {
        smtpd_reply(session, "501 Syntax: %s hostname", verb);
        return false;
    }
    session_end_transaction(session);
    session->helo = string_printable(arena_copy(session->arena, arguments), true);
    session->protocol = strcmp(verb, "EHLO") == 0 ? "ESMTP" : "SMTP";
    session->extended = strcmp(verb, "EHLO") == 0;
    if (session->smtpd->config->smtpd_delay_reject)
        return true;
    arena = arena_new();
    judge_begin(&judge, session, arena, verb);
    if (!judge_list(&judge, HELO_RESTRICTIONS)) {
        smtpd_reply(session, "%s", judge.reply);
        session->helo = NULL;
        accepted = false;
    }
    arena_free(arena);
    return accepted;
}

void smtpd_helo(struct smtp_session *session, const char *arguments)
{
    if (take_name(session, "HELO", arguments))
        smtpd_reply(session, "250 %s", session->smtpd->mail->myhostname);
}

/* What depends on who the client is. */
static void announce_for_some(struct smtp_session *session, unsigned keyword, struct text *lines)
{
    switch (keyword) {
    case EHLO_AUTH: auth_announce(session, lines); break;
    case EHLO_XCLIENT: xclient_announce(session, lines); break;
    default: xforward_announce(session, lines);
    }
}

void smtpd_ehlo(struct smtp_session *session, const char *arguments)
{
    const struct mail_config *mail = session->smtpd->mail;
    struct text lines = {0};
    char *cursor, *line;
    unsigned without;

    if (!take_name(session, "EHLO", arguments))
        return;
    without = session->discarded = discarded_for(session);
    if (session->smtpd->config->disable_vrfy_command)
        without |= EHLO_VRFY;
    if (!mail->smtputf8_enable)
        without |= EHLO_SMTPUTF8;
    if (!mail->requiretls_enable || session->tls == NULL)
        without |= EHLO_REQUIRETLS;
    if (!smtpd_tls_offered(session))
        without |= EHLO_STARTTLS;
    text_append_format(&lines, "%s\n", mail->myhostname);
    for (size_t i = 0; i < sizeof keyword_names / sizeof *keyword_names; i++) {
        if ((without & keyword_names[i].keyword) != 0 || keyword_names[i].keyword == EHLO_SILENT)
            continue;
        if ((keyword_names[i].keyword & (EHLO_AUTH | EHLO_XCLIENT | EHLO_XFORWARD)) != 0) {
            announce_for_some(session, keyword_names[i].keyword, &lines);
            continue;
        }
        append_upper(&lines, keyword_names[i].name);
        if (keyword_names[i].keyword == EHLO_SIZE)
            text_append_format(&lines, " %ld", mail->message_size_limit);
        text_append_char(&lines, '\n');
    }
    cursor = lines.data;
    line = string_next_word(&cursor, "\n");
    for (char *next; (next = string_next_word(&cursor, "\n")) != NULL; line = next)
        smtpd_reply_part(session, "250-%s", line);
    smtpd_reply(session, "250 %s", line);
    text_free(&lines);
}
