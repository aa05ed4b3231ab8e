/* command - the SMTP commands, one row each: verb, when input may follow it unasked, handler. */
#ifndef SMTPD_COMMAND_H
#define SMTPD_COMMAND_H

#include "smtpd/session.h"

typedef void command_fn(struct smtp_session *session, const char *arguments);

enum command_flag {
    COMMAND_LAST = 1,  /* a client must wait for the answer (RFC 2920 section 3.1) */
    COMMAND_TLS = 4,   /* not before STARTTLS, when the security level is encrypt */
    COMMAND_JUNK = 2,  /* leads to nothing: smtpd_junk_command_limit */
};

struct command {
    const char *verb;
    unsigned flags;
    command_fn *run;
};

extern const struct command smtpd_commands[]; /* ends with a NULL verb: the row of what nobody knows */
size_t smtpd_command_find(const char *verb);  /* its index */

/* EHLO keywords that smtpd_discard_ehlo_keywords can take away. */
enum ehlo_keyword {
    EHLO_PIPELINING = 1,
    EHLO_SIZE = 2,
    EHLO_VRFY = 4,
    EHLO_ETRN = 8,
    EHLO_ENHANCEDSTATUSCODES = 16,
    EHLO_8BITMIME = 32,
    EHLO_DSN = 64,
    EHLO_SMTPUTF8 = 128,
    EHLO_CHUNKING = 256,
    EHLO_SILENT = 512, /* silent-discard: do not log that keywords were left out */
    EHLO_AUTH = 1024,
    EHLO_XCLIENT = 2048,
    EHLO_XFORWARD = 4096,
    EHLO_STARTTLS = 8192,
    EHLO_REQUIRETLS = 16384,
};
unsigned ehlo_keywords_parse(const char *names);

command_fn smtpd_helo, smtpd_ehlo, smtpd_starttls, smtpd_auth, smtpd_xclient, smtpd_xforward, smtpd_mail, smtpd_rcpt,
    smtpd_data, smtpd_bdat;

#endif
