#include <stdlib.h>
#include <string.h>

#include "cleanup/cleanup.h"
#include "mail/address/address.h"
#include "util/base/memory.h"

enum { CONTENT_LOGGED = 200 };

/* One line that a rule was found for. */
struct check {
    struct cleanup_message *message;
    const char *kind; /* "header", "body" */
    struct text *line;
    const char *text; /* behind the action */
    bool keep;
};

static void log_check(const struct check *check, const char *action, const char *text)
{
    const struct cleanup_message *message = check->message;
    const struct cleanup_open *open = &message->open;
    struct text sender = {0}, recipient = {0}, protocol = {0};

    address_quote(open->sender, &sender);
    address_quote(message->first_recipient, &recipient);
    if (*open->protocol != '\0')
        text_append_format(&protocol, " proto=%s", open->protocol);
    if (*open->helo != '\0')
        text_append_format(&protocol, " helo=<%s>", open->helo);
    log_info(&message->log, "%s: %s %.*s from %s; from=<%s> to=<%s>%s%s%s", action, check->kind, CONTENT_LOGGED,
             text_string(check->line), *open->client != '\0' ? open->client : "local", text_string(&sender),
             text_string(&recipient), text_string(&protocol), *text != '\0' ? ": " : "", text);
    text_free(&sender);
    text_free(&recipient);
    text_free(&protocol);
}

/* "5.7.1 text": how long the code is, 0 when there is none. */
static size_t status_length(const char *text)
{
    size_t length = 0;

    if ((*text != '4' && *text != '5') || text[1] != '.')
        return 0;
    for (int part = 0; part < 3; part++) {
        size_t digits = strspn(text + length, "0123456789");

        if (digits == 0 || digits > 3 || (part < 2 && text[length + digits] != '.'))
            return 0;
        length += digits + (part < 2 ? 1 : 0);
    }
    return text[length] == '\0' || ascii_is_space(text[length]) ? length : 0;
}

static void reject(struct check *check)
{
    struct arena *arena = check->message->arena;
    size_t length = status_length(check->text);
    const char *dsn = length > 0 ? arena_copy_bytes(arena, check->text, length) : "5.7.1";
    const char *reason = check->text + length;

    reason += strspn(reason, " \t");
    if (*reason == '\0')
        reason = "message content rejected";
    log_check(check, "reject", arena_format(arena, "%s %s", dsn, reason));
    message_fail(check->message, *dsn == '4' ? 450 : 550, dsn, arena_copy(arena, reason));
    check->keep = false;
}

static void discard(struct check *check)
{
    log_check(check, "discard", check->text);
    check->message->discard = true;
    check->keep = false;
}

static void hold(struct check *check)
{
    log_check(check, "hold", check->text);
    check->message->hold = true;
}

static void warn(struct check *check)
{
    log_check(check, "warning", check->text);
}

static void inform(struct check *check)
{
    log_check(check, "info", check->text);
}

static void ignore(struct check *check)
{
    check->keep = false;
}

static void strip(struct check *check)
{
    log_check(check, "strip", check->text);
    check->keep = false;
}

static void do_nothing(struct check *check)
{
    (void)check;
}

static void pass(struct check *check)
{
    log_check(check, "pass", check->text);
    check->message->open.flags &= ~(int64_t)CLEANUP_FILTER;
}

static bool has_text(const struct check *check, const char *action)
{
    if (*check->text != '\0')
        return true;
    log_warning(&check->message->log, "%s action without text in %s_checks map", action, check->kind);
    return false;
}

static void prepend(struct check *check)
{
    if (!has_text(check, "PREPEND"))
        return;
    log_check(check, "prepend", check->text);
    headers_put(check->message, check->text);
}

static void replace(struct check *check)
{
    if (!has_text(check, "REPLACE"))
        return;
    log_check(check, "replace", check->text);
    text_clear(check->line);
    text_append(check->line, check->text);
}

static void redirect(struct check *check)
{
    if (strchr(check->text, '@') == NULL) {
        log_warning(&check->message->log, "bad REDIRECT target \"%s\" in %s_checks map -- need user@domain",
                    check->text, check->kind);
        return;
    }
    log_check(check, "redirect", check->text);
    check->message->redirect = arena_copy(check->message->arena, check->text);
}

static void filter(struct check *check)
{
    if (strchr(check->text, ':') == NULL) {
        log_warning(&check->message->log, "bad FILTER command \"%s\" in %s_checks map -- need transport:destination",
                    check->text, check->kind);
        return;
    }
    log_check(check, "filter", check->text);
    check->message->filter = arena_copy(check->message->arena, check->text);
}

static void copy_to(struct check *check)
{
    struct cleanup_message *message = check->message;
    const char **larger = arena_alloc(message->arena, (message->late_bcc.count + 1) * sizeof *larger);

    if (!has_text(check, "BCC"))
        return;
    log_check(check, "bcc", check->text);
    if (message->late_bcc.count > 0)
        memcpy(larger, message->late_bcc.items, message->late_bcc.count * sizeof *larger);
    larger[message->late_bcc.count++] = arena_copy(message->arena, check->text);
    message->late_bcc.items = larger;
}

static void obey(struct check *check, const char *action)
{
    static const struct {
        const char *name;
        void (*run)(struct check *check);
    } actions[] = {
        {"REJECT", reject}, {"DISCARD", discard},   {"HOLD", hold},       {"WARN", warn},     {"INFO", inform},
        {"IGNORE", ignore}, {"STRIP", strip},       {"DUNNO", do_nothing}, {"OK", do_nothing}, {"PASS", pass},
        {"PREPEND", prepend}, {"REPLACE", replace}, {"REDIRECT", redirect}, {"FILTER", filter}, {"BCC", copy_to},
    };

    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (string_equal_ignore_case(action, actions[i].name)) {
            actions[i].run(check);
            return;
        }
    log_warning(&check->message->log, "unknown command in %s_checks map: %s", check->kind, action);
}

struct table_list *checks_for_field(const struct cleanup *cleanup, enum mime_header_level level, const char *field)
{
    if (level == MIME_PART || string_starts_ignore_case(field, "content-") ||
        string_starts_ignore_case(field, "mime-version"))
        return cleanup->mime_header_checks;
    return level == MIME_NESTED ? cleanup->nested_header_checks : cleanup->header_checks;
}

bool checks_apply(struct cleanup_message *message, struct table_list *tables, const char *kind, struct text *line)
{
    struct check check = {.message = message, .kind = kind, .line = line, .keep = true};
    struct text result = {0};
    struct error error;
    enum table_result found;

    if (table_list_empty(tables))
        return true;
    found = table_list_lookup(tables, text_string(line), &result, &error);
    if (found == TABLE_ERROR) {
        log_warning(&message->log, "%s_checks map lookup problem: %s -- message not accepted, try again later", kind,
                    error.text);
        message_fail(message, 451, "4.3.0", "Error: queue file write error");
    } else if (found == TABLE_FOUND) {
        char *cursor = result.data, *action = string_next_word(&cursor, " \t");

        check.text = string_trim(cursor);
        if (action != NULL)
            obey(&check, action);
    }
    text_free(&result);
    return check.keep && message->verdict.code == 0;
}
