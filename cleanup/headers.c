#include <string.h>
#include <time.h>

#include "cleanup/cleanup.h"
#include "mail/address/address.h"
#include "mail/address/address_list.h"
#include "mail/address/canonical_form.h"
#include "mail/message/date.h"
#include "mail/message/header.h"

void headers_put(struct cleanup_message *message, const char *field)
{
    for (const char *end; (end = strchr(field, '\n')) != NULL; field = end + 1)
        message_writer_text(message->writer, field, (size_t)(end - field), true);
    if (*field != '\0')
        message_writer_text(message->writer, field, strlen(field), true);
}

/* ---- addresses ---- */

static bool from_inside(const struct cleanup_message *message)
{
    return string_equal(message->open.rewrite_context, "local");
}

struct rewriting {
    struct cleanup_message *message;
    int class;
};

static void rewrite_address(void *context, const char *address, struct text *result)
{
    const struct rewriting *rewriting = context;
    struct cleanup_message *message = rewriting->message;
    const struct cleanup *cleanup = message->cleanup;
    const char *complete = address, *mapped;
    struct text completed = {0};

    if (!from_inside(message)) {
        address_canonical_form(cleanup->mail, cleanup->config->remote_header_rewrite_domain, NULL, address, &completed);
        complete = text_string(&completed);
    }
    mapped = mapping_canonical(message, complete, rewriting->class);
    text_append(result, mapped != NULL ? mapped : address);
    text_free(&completed);
}

static void rewrite_addresses(struct cleanup_message *message, const struct header_info *info, struct text *field)
{
    struct rewriting rewriting = {message, info->kind & HEADER_SENDER_ADDRESSES ? CLASS_HEADER_SENDER
                                                                                : CLASS_HEADER_RECIPIENT};
    const char *body = strchr(field->data, ':') + 1;
    size_t name = (size_t)(body - field->data);
    struct text rewritten = {0};
    struct arena *kept = message->arena;

    /* A message may hold millions of addresses: what each needs goes with its field. */
    message->arena = message->scratch;
    if (address_list_rewrite(body, (size_t)message->cleanup->mail->header_address_token_limit, rewrite_address,
                             &rewriting, &rewritten)) {
        text_truncate(field, name);
        text_append(field, text_string(&rewritten));
    }
    message->arena = kept;
    text_free(&rewritten);
}

/* ---- fields that come ---- */

static void log_message_id(struct cleanup_message *message, const char *name, const char *value)
{
    const char *start = value + strspn(value, " \t\n");
    size_t length = strlen(start);

    while (length > 0 && ascii_is_space(start[length - 1]))
        length--;
    log_info(&message->log, "%s=%.*s", name, (int)(length < LOG_LINE_LIMIT ? length : LOG_LINE_LIMIT), start);
}

static void count_hop(struct cleanup_message *message)
{
    if (++message->content.hops < message->cleanup->mail->hopcount_limit)
        return;
    log_warning(&message->log, "message rejected: hopcount exceeded");
    message_fail(message, 554, "5.4.0", "Error: too many hops");
}

/* What is not text ends a field (NUL) or becomes a blank (CR). */
static void clean_field(struct cleanup_message *message, struct text *field)
{
    text_truncate(field, strlen(text_string(field)));
    if (message->cleanup->config->cleanup_replace_stray_cr_lf)
        for (char *stray = field->data; stray != NULL && (stray = strchr(stray, '\r')) != NULL;)
            *stray = ' ';
}

static bool value_is(const char *value, const char *word)
{
    size_t length = strlen(word);

    value += strspn(value, " \t\n");
    return string_starts_ignore_case(value, word) && value[length + strspn(value + length, " \t\n")] == '\0';
}

static bool carries_requiretls(const struct cleanup_message *message)
{
    return message->cleanup->mail->requiretls_enable && message->cleanup->config->requiretls_esmtp_header;
}

/* What the sender wants of TLS: RFC 8689 section 3, and what was REQUIRETLS before a content filter. */
static void note_tls_wish(struct cleanup_message *message, const struct header_info *info, const char *value)
{
    if (info->id == HEADER_TLS_REQUIRED && message->cleanup->config->tls_required_enable && value_is(value, "no"))
        message->open.sendopts |= SENDOPT_TLS_REQUIRED_NO;
    if (info->id == HEADER_REQUIRE_TLS_ESMTP && carries_requiretls(message) && value_is(value, "yes")) {
        message->open.sendopts |= SENDOPT_REQUIRETLS;
        message->content.says_requiretls = true;
    }
}

static bool is_dropped(const struct cleanup_message *message, const char *name, size_t length)
{
    for (const char **word = message->cleanup->drop_headers; *word != NULL; word++)
        if (strlen(*word) == length && string_starts_ignore_case(name, *word))
            return true;
    return false;
}

static void note_field(struct cleanup_message *message, const struct header_info *info, const struct text *field)
{
    const char *value = strchr(field->data, ':') + 1;

    message->content.seen |= 1U << info->id;
    message->content.resent = message->content.resent || (info->kind & HEADER_RESENT) != 0;
    if (info->id == HEADER_RECEIVED)
        count_hop(message);
    else if (info->id == HEADER_MESSAGE_ID)
        log_message_id(message, "message-id", value);
    else if (info->id == HEADER_RESENT_MESSAGE_ID)
        log_message_id(message, "resent-message-id", value);
    else
        note_tls_wish(message, info, value);
}

void headers_take(struct cleanup_message *message, struct text *field)
{
    const struct header_info *info;
    size_t name;

    arena_clear(message->scratch);
    clean_field(message, field);
    if (string_has_high_bytes(text_string(field)))
        message->open.sendopts |= SENDOPT_UTF8_HEADER;
    if ((message->open.flags & CLEANUP_FILTER) &&
        !checks_apply(message, checks_for_field(message->cleanup, MIME_PRIMARY, text_string(field)), "header", field))
        return;
    if (!header_line(text_string(field), field->length, &name))
        return;
    info = header_find(field->data, name);
    note_field(message, info, field);
    if (is_dropped(message, field->data, name))
        return;
    if ((info->kind & (HEADER_SENDER_ADDRESSES | HEADER_RECIPIENT_ADDRESSES)) &&
        (from_inside(message) || *message->cleanup->config->remote_header_rewrite_domain != '\0'))
        rewrite_addresses(message, info, field);
    headers_put(message, text_string(field));
}

/* ---- fields that are missing ---- */

static bool seen(const struct cleanup_message *message, enum header_kind_id id)
{
    return (message->content.seen & (1U << id)) != 0;
}

static void add_message_id(struct cleanup_message *message, const char *prefix)
{
    time_t now = (time_t)(message->open.arrival_time / SECONDS);
    char stamp[32] = "";
    struct tm utc;
    char *value;

    if (!queue_id_is_long(message->id) && gmtime_r(&now, &utc) != NULL)
        strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S.", &utc);
    value = arena_format(message->arena, "<%s%s@%s>", stamp, message->id, message->cleanup->mail->myhostname);
    log_message_id(message, *prefix != '\0' ? "resent-message-id" : "message-id", value);
    headers_put(message, arena_format(message->arena, "%sMessage-Id: %s", prefix, value));
}

/* A display name: RFC 5322 phrase. */
static void append_phrase(struct text *out, const char *name)
{
    bool plain = true;

    for (const char *c = name; *c != '\0'; c++)
        plain = plain && strchr("()<>@,;:\\\".[]", *c) == NULL;
    if (!plain)
        text_append_char(out, '"');
    for (; *name != '\0'; name++) {
        if (!plain && (*name == '"' || *name == '\\'))
            text_append_char(out, '\\');
        text_append_char(out, *name == '\n' || *name == '\r' ? ' ' : *name);
    }
    if (!plain)
        text_append_char(out, '"');
}

static void add_from(struct cleanup_message *message, const char *prefix)
{
    struct text field = {0}, address = {0};

    address_quote(*message->sender != '\0' ? message->sender : "MAILER-DAEMON", &address);
    text_append_format(&field, "%sFrom: ", prefix);
    if (*message->open.full_name != '\0') {
        append_phrase(&field, message->open.full_name);
        text_append_format(&field, " <%s>", text_string(&address));
    } else {
        text_append(&field, text_string(&address));
    }
    headers_put(message, text_string(&field));
    text_free(&field);
    text_free(&address);
}

static void add_requiretls(struct cleanup_message *message)
{
    if ((message->open.sendopts & SENDOPT_REQUIRETLS) != 0 && carries_requiretls(message) &&
        !message->content.says_requiretls)
        headers_put(message, "Require-TLS-ESMTP: yes");
}

void headers_add_missing(struct cleanup_message *message)
{
    const struct cleanup_config *config = message->cleanup->config;
    bool resent = message->content.resent;
    const char *prefix = resent ? "Resent-" : "";
    char date[MAIL_DATE_SIZE];

    add_requiretls(message);
    if (!from_inside(message) && !config->always_add_missing_headers)
        return;
    if (!seen(message, resent ? HEADER_RESENT_MESSAGE_ID : HEADER_MESSAGE_ID))
        add_message_id(message, prefix);
    if (!seen(message, resent ? HEADER_RESENT_DATE : HEADER_DATE))
        headers_put(message, arena_format(message->arena, "%sDate: %s", prefix,
                                          mail_date(message->open.arrival_time / SECONDS, date)));
    if (!seen(message, resent ? HEADER_RESENT_FROM : HEADER_FROM))
        add_from(message, prefix);
    if (*config->undisclosed_recipients_header != '\0' && !resent && !seen(message, HEADER_TO) &&
        !seen(message, HEADER_CC))
        headers_put(message, config->undisclosed_recipients_header);
}
