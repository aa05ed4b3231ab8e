/* restriction - the access restriction lists: what a client may do, judged one restriction after another.
 *
 * To add a restriction, add a row to mail/restriction/restriction.def and a function with the signature below. */
#ifndef SMTPD_RESTRICTION_H
#define SMTPD_RESTRICTION_H

#include "smtpd/session.h"

/* Reads a list, opens its tables. A word that is no restriction is kept and answered with 451 4.3.5 when its turn
 * comes. NULL: see error (a table that cannot be opened). */
struct restriction_list *restriction_list_new(struct smtpd *smtpd, const char *text, enum restriction_list_kind kind,
                                              struct error *error);
/* Does the list hold anything that keeps strangers from relaying? */
bool restriction_list_guards_relay(const struct restriction_list *list);

/* One command's judgement: over several lists, with what they want to remember until the end. */
struct judge {
    struct smtp_session *session;
    struct arena *arena;
    const char *stage;           /* "RCPT": what is logged */
    enum restriction_list_kind kind;
    bool warn;                   /* warn_if_reject: the next rejection is logged only */
    const char *defer_if_permit; /* a reply, once a restriction asked for it */
    const char *defer_if_reject;
    const char *reply;           /* of the rejection */
    int depth;
};

void judge_begin(struct judge *judge, struct smtp_session *session, struct arena *arena, const char *stage);
/* True: go on. False: judge->reply is what to answer. */
bool judge_list(struct judge *judge, enum restriction_list_kind kind);
/* smtpd_reject_unlisted_sender and _recipient: what is judged without standing in a list. */
bool judge_unlisted_sender(struct judge *judge);
bool judge_unlisted_recipient(struct judge *judge);
/* Behind the last list: a deferral that only waited for a permit. */
bool judge_end(struct judge *judge);

/* ---- for restrictions ---- */
enum judgement { JUDGE_DUNNO, JUDGE_PERMIT, JUDGE_REJECT };

enum certificate_key { CERTIFICATE_ITSELF, CERTIFICATE_KEY };
enum { RESTRICTION_ORDER_LIMIT = 2 };

struct restriction {
    const struct restriction_row *row; /* NULL: nobody knows it */
    char *name;                        /* as written */
    char *argument;                    /* NULL when it takes none */
    bool guards_relay;
    struct table_list *tables;         /* of a table argument */
    struct restriction_list *list;     /* of a restriction class */
    enum certificate_key order[RESTRICTION_ORDER_LIMIT]; /* check_ccert_access: what is looked up, one after another */
    size_t order_count;
};

typedef enum judgement restriction_fn(struct judge *judge, const struct restriction *restriction);

struct restriction_row {
    const char *name;
    restriction_fn *run;
};

const struct restriction_row *restriction_find(const char *name);
enum judgement restrictions_run(struct judge *judge, const struct restriction_list *list);
/* A list that an access table gave: names only, no tables. */
enum judgement restrictions_run_text(struct judge *judge, const char *text);

/* Rejects (or only warns, or defers, as asked before): "code dsn <subject>: text". Logs. */
enum judgement judge_reject(struct judge *judge, long code, const char *dsn, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum judgement judge_defer_if_permit(struct judge *judge, long code, const char *dsn, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A table or service that could not answer: 451 4.3.0. */
enum judgement judge_lookup_failed(struct judge *judge, const char *subject, const struct error *error);
/* Logs "NOQUEUE: hold: RCPT from ...: text; from=<> to=<> proto= helo=<>". */
void judge_log(const struct judge *judge, const char *action, const char *text);

/* What the list is about: "Client host", "Helo command", "Sender address", "Recipient address", "Data command",
 * "End-of-data". */
const char *judge_class(enum restriction_list_kind kind);
/* Whom the judgement is about; NULL: nobody yet. Past RCPT a recipient is one only when it is alone. */
const char *judge_sender(const struct judge *judge);
const char *judge_recipient(const struct judge *judge);
/* "<user@example.com>" or "<name[address]>". */
const char *judge_subject(const struct judge *judge, enum restriction_list_kind kind);

/* The result of an access table, for the subject of that kind. key is what was looked up. */
enum judgement access_judge(struct judge *judge, enum restriction_list_kind kind, const char *table, const char *key,
                            const char *value);

#endif
