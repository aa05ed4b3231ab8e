/* sendmail - what its sources share: the request that the options make, and the message on its way to postdrop. */
#ifndef CLI_SENDMAIL_H
#define CLI_SENDMAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/config/mail_config.h"
#include "mail/queue/message_file.h"
#include "mail/submit/postdrop.h"
#include "util/base/text.h"

enum sendmail_mode {
    SENDMAIL_DELIVER,
    SENDMAIL_DAEMON,
    SENDMAIL_ALIASES,
    SENDMAIL_LIST,
    SENDMAIL_SERVER,
    SENDMAIL_IGNORE, /* -bh, -bH: there is nothing to do */
    SENDMAIL_FLUSH,
    SENDMAIL_FLUSH_SITE,
    SENDMAIL_FLUSH_ID,
};

struct sendmail_request {
    enum sendmail_mode mode;
    const char *directory; /* -C */
    const char *sender;    /* -f, external form; NULL: whoever runs it */
    const char *full_name; /* -F, or the variable NAME; NULL: what the user database says */
    const char *encoding;  /* "7bit", "8bit", NULL */
    const char *envelope_id;
    const char *verp;      /* delimiters, "": the usual ones, NULL: no VERP */
    const char *argument;  /* of a flush: site or queue ID */
    const char *aliases;   /* -oA */
    int notify, ret;       /* enum dsn_notify, enum dsn_ret */
    int trace;             /* of enum trace_flag; 0: none */
    int verbosity;
    int sendopts;          /* enum sendopt */
    bool extract;          /* -t */
    bool dots_are_text;    /* -i */
    bool relayed;          /* -G */
    char *const *recipients; /* NULL ends */
};

/* ---- sendmail_options.c ---- */
/* Reads the command line; ends the program when it makes no sense. */
void sendmail_options(struct sendmail_request *request, const char *name, int argc, char **argv);

/* ---- sendmail_submit.c ---- */
/* Hands a message from standard input (or the one of -bv) to postdrop; does not return when that fails. */
void sendmail_submit(const struct sendmail_request *request, const struct mail_config *mail);

/* ---- sendmail_content.c: the message itself ---- */
/* Copies standard input; with -t the recipients of the header are appended to `extracted`, each ended by NUL. */
void sendmail_copy_content(const struct sendmail_request *request, const struct mail_config *mail,
                           struct postdrop *postdrop, struct text *extracted);

#endif
