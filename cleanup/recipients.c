#include <string.h>

#include "cleanup/cleanup.h"

/* Drops what was there before. Beyond duplicate_filter_limit a message goes out twice rather than never. */
static bool is_duplicate(struct cleanup_message *message, const struct message_recipient *recipient)
{
    size_t limit = (size_t)message->cleanup->mail->duplicate_filter_limit;
    char *key = arena_format(message->arena, "%d\n%s\n%s\n%s", recipient->dsn_notify, recipient->dsn_orig_rcpt,
                             recipient->original, recipient->address);

    ascii_lower_string(key);
    if (map_get(message->seen_recipients, key) != NULL)
        return true;
    if (limit == 0 || map_count(message->seen_recipients) < limit)
        map_set(message->seen_recipients, key, message);
    return false;
}

static void add_one(struct cleanup_message *message, struct message_recipient *recipient, const char *address)
{
    recipient->address = address;
    if (is_duplicate(message, recipient))
        return;
    if (string_has_high_bytes(address))
        message->open.sendopts |= SENDOPT_UTF8_RECIPIENT;
    message_writer_recipient(message->writer, recipient);
    if (*message->first_recipient == '\0')
        message->first_recipient = address;
}

void recipients_add(struct cleanup_message *message, const struct cleanup_recipient *given)
{
    const char *original = *given->original != '\0' ? given->original : given->address;
    struct message_recipient recipient = {
        .original = message->cleanup->config->enable_original_recipient ? original : "",
        .dsn_orig_rcpt = given->dsn_orig_rcpt,
        .dsn_notify = (int)given->dsn_notify,
    };
    const char *canonical;
    const struct ipc_strings *addresses;

    if (message->verdict.code != 0)
        return;
    if (*given->dsn_orig_rcpt == '\0')
        recipient.dsn_orig_rcpt = arena_join(message->arena, "rfc822;", original);
    canonical = mapping_canonical(message, given->address, CLASS_ENVELOPE_RECIPIENT);
    addresses = canonical != NULL ? mapping_expand(message, canonical) : NULL;
    for (size_t i = 0; addresses != NULL && i < addresses->count; i++)
        add_one(message, &recipient, addresses->items[i]);
    if (canonical != NULL && (message->open.flags & CLEANUP_BCC))
        recipients_add_bcc_of(message, message->cleanup->recipient_bcc, canonical);
}

/* The sender does not hear of copies that it did not ask for. */
void recipients_add_bcc(struct cleanup_message *message, const char *address)
{
    const char *canonical = mapping_canonical(message, address, 0);
    const struct ipc_strings *addresses = canonical != NULL ? mapping_expand(message, canonical) : NULL;
    struct message_recipient recipient = {
        .original = canonical, .dsn_orig_rcpt = "", .dsn_notify = DSN_NOTIFY_NEVER,
    };

    for (size_t i = 0; addresses != NULL && i < addresses->count; i++)
        add_one(message, &recipient, addresses->items[i]);
}
