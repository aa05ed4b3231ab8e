/* access - what an access table's result does (access(5)). One row an action. */
#include <stdlib.h>
#include <string.h>

#include "mail/address/address.h"
#include "mail/delivery/dsn.h"
#include "smtpd/restriction.h"

/* One result being applied. */
struct access {
    struct judge *judge;
    enum restriction_list_kind kind;
    const char *table, *key;
    const char *text; /* behind the action's name */
};

typedef enum judgement access_fn(struct access *access);

/* "5.7.9 text" at the front of a text takes the place of the given enhanced code. A code without a text is taken as
 * a code, and the text is the default one. */
static const char *split_dsn(struct access *access, const char *fallback, const char **dsn)
{
    size_t length = dsn_length(access->text);

    *dsn = length > 0 ? arena_copy_bytes(access->judge->arena, access->text, length) : fallback;
    return access->text + length + strspn(access->text + length, " \t");
}

static enum judgement refuse(struct access *access, long code)
{
    const char *dsn, *text = split_dsn(access, "5.7.1", &dsn);

    return judge_reject(access->judge, code, dsn, "%s: %s rejected: %s", judge_subject(access->judge, access->kind),
                        judge_class(access->kind), *text != '\0' ? text : "Access denied");
}

static enum judgement access_reject(struct access *access)
{
    return refuse(access, access->judge->session->smtpd->config->access_map_reject_code);
}

static enum judgement access_defer(struct access *access)
{
    return refuse(access, access->judge->session->smtpd->config->access_map_defer_code);
}

static enum judgement access_defer_if_permit(struct access *access)
{
    const char *dsn, *text = split_dsn(access, "4.7.1", &dsn);

    return judge_defer_if_permit(access->judge, access->judge->session->smtpd->config->access_map_defer_code, dsn,
                                 "%s: %s rejected: %s", judge_subject(access->judge, access->kind),
                                 judge_class(access->kind), *text != '\0' ? text : "Service unavailable");
}

static enum judgement access_defer_if_reject(struct access *access)
{
    const char *dsn, *text = split_dsn(access, "4.7.1", &dsn);
    struct judge *judge = access->judge;

    if (judge->defer_if_reject == NULL)
        judge->defer_if_reject = arena_format(
            judge->arena, "%ld 4%s %s: %s rejected: %s", judge->session->smtpd->config->access_map_defer_code, dsn + 1,
            judge_subject(judge, access->kind), judge_class(access->kind),
            *text != '\0' ? text : "Service unavailable");
    return JUDGE_DUNNO;
}

static enum judgement access_permit(struct access *access)
{
    (void)access;
    return JUDGE_PERMIT;
}

static enum judgement access_dunno(struct access *access)
{
    (void)access;
    return JUDGE_DUNNO;
}

static void log_trigger(struct access *access, const char *verb, const char *what)
{
    judge_log(access->judge, verb,
              arena_format(access->judge->arena, "%s: %s %s", judge_subject(access->judge, access->kind),
                           judge_class(access->kind), what));
}

/* Actions on the message need one; before MAIL there is none. */
static struct transaction *message_of(struct access *access)
{
    return access->judge->session->transaction;
}

static enum judgement access_hold(struct access *access)
{
    const char *what = *access->text != '\0' ? access->text : "triggers HOLD action";

    log_trigger(access, "hold", what);
    if (message_of(access) != NULL)
        message_of(access)->hold = arena_copy(message_of(access)->arena, what);
    return JUDGE_DUNNO;
}

static enum judgement access_discard(struct access *access)
{
    const char *what = *access->text != '\0' ? access->text : "triggers DISCARD action";

    log_trigger(access, "discard", what);
    if (message_of(access) != NULL)
        message_of(access)->discard = arena_copy(message_of(access)->arena, what);
    return JUDGE_PERMIT;
}

static enum judgement refuse_value(struct access *access, const char *wants)
{
    log_warning(NULL, "access table %s entry \"%s\" %s", access->table, access->key, wants);
    return JUDGE_DUNNO;
}

static enum judgement access_filter(struct access *access)
{
    if (*access->text == '\0')
        return refuse_value(access, "has FILTER entry without value");
    if (strchr(access->text, ':') == NULL)
        return refuse_value(access, "requires transport:destination");
    log_trigger(access, "filter", arena_format(access->judge->arena, "triggers FILTER %s", access->text));
    if (message_of(access) != NULL)
        message_of(access)->filter = arena_copy(message_of(access)->arena, access->text);
    return JUDGE_DUNNO;
}

static enum judgement access_redirect(struct access *access)
{
    if (address_domain(access->text) == NULL)
        return refuse_value(access, "requires user@domain target");
    log_trigger(access, "redirect", arena_format(access->judge->arena, "triggers REDIRECT %s", access->text));
    if (message_of(access) != NULL)
        message_of(access)->redirect = arena_copy(message_of(access)->arena, access->text);
    return JUDGE_DUNNO;
}

static enum judgement access_bcc(struct access *access)
{
    if (address_domain(access->text) == NULL)
        return refuse_value(access, "requires user@domain target");
    log_trigger(access, "bcc", arena_format(access->judge->arena, "triggers BCC %s", access->text));
    if (message_of(access) != NULL)
        text_append_format(&message_of(access)->bcc, "%s\n", access->text);
    return JUDGE_DUNNO;
}

static enum judgement access_prepend(struct access *access)
{
    const char *colon = strchr(access->text, ':');

    if (colon == NULL || colon == access->text || strcspn(access->text, " \t") < (size_t)(colon - access->text))
        return refuse_value(access, "requires header: text");
    if (message_of(access) != NULL)
        text_append_format(&message_of(access)->prepend, "%s\n", access->text);
    return JUDGE_DUNNO;
}

static enum judgement access_warn(struct access *access)
{
    judge_log(access->judge, "warn", access->text);
    return JUDGE_DUNNO;
}

static enum judgement access_info(struct access *access)
{
    judge_log(access->judge, "info", access->text);
    return JUDGE_DUNNO;
}

static const struct access_row {
    const char *name;
    access_fn *run;
} access_rows[] = {
    {"OK", access_permit},
    {"DUNNO", access_dunno},
    {"REJECT", access_reject},
    {"DEFER", access_defer},
    {"DEFER_IF_PERMIT", access_defer_if_permit},
    {"DEFER_IF_REJECT", access_defer_if_reject},
    {"HOLD", access_hold},
    {"DISCARD", access_discard},
    {"FILTER", access_filter},
    {"REDIRECT", access_redirect},
    {"BCC", access_bcc},
    {"PREPEND", access_prepend},
    {"WARN", access_warn},
    {"INFO", access_info},
};

/* "550 text" or "450 text". */
static bool is_code(const char *value)
{
    return (*value == '4' || *value == '5') && ascii_is_digit(value[1]) && ascii_is_digit(value[2]) &&
           ascii_is_space(value[3]);
}

enum judgement access_judge(struct judge *judge, enum restriction_list_kind kind, const char *table, const char *key,
                            const char *value)
{
    size_t length = strcspn(value, " \t");
    struct access access = {.judge = judge, .kind = kind, .table = table, .key = key};

    if (string_all_digits(value)) /* as Postfix: any number by itself is OK */
        return JUDGE_PERMIT;
    access.text = value + length + strspn(value + length, " \t");
    if (is_code(value))
        return refuse(&access, strtol(value, NULL, 10));
    for (size_t i = 0; i < sizeof access_rows / sizeof *access_rows; i++)
        if (strlen(access_rows[i].name) == length && strncasecmp(value, access_rows[i].name, length) == 0)
            return access_rows[i].run(&access);
    return restrictions_run_text(judge, value);
}
