#include <stdlib.h>
#include <string.h>

#include "cleanup/cleanup.h"
#include "mail/address/address.h"
#include "mail/address/address_list.h"
#include "mail/address/address_lookup.h"
#include "mail/address/canonical_form.h"

/* ---- asking ---- */

static bool is_ours(const struct cleanup *cleanup, const char *domain)
{
    struct error error;

    return string_equal_ignore_case(domain, cleanup->mail->myorigin) ||
           match_list_domain(cleanup->our_domains, domain, &error) == MATCH_YES;
}

static void fail_lookup(struct cleanup_message *message, struct table_list *tables, const struct error *error,
                        const char *address)
{
    log_warning(&message->log, "%s lookup problem for %s: %s -- message not accepted, try again later",
                table_list_last(tables), address, error->text);
    message_fail(message, 451, "4.3.0", "Error: queue file write error");
}

static enum table_result ask_tables(struct cleanup_message *message, struct table_list *tables, const char *address,
                                    struct text *result, struct text *extension)
{
    const struct cleanup *cleanup = message->cleanup;
    const char *domain = address_domain(address);
    int keys = LOOKUP_ADDRESS | LOOKUP_AT_DOMAIN;
    struct error error = {""};
    enum table_result answer;

    if (domain != NULL && is_ours(cleanup, domain))
        keys |= LOOKUP_BARE_USER;
    answer = address_lookup(tables, address, keys, cleanup->mail->recipient_delimiter, result, extension, &error);
    if (answer == TABLE_ERROR)
        fail_lookup(message, tables, &error, address);
    return answer;
}

static enum table_result ask(struct cleanup_message *message, struct table_list *tables, const char *address,
                             struct text *result, struct text *extension)
{
    text_clear(result);
    text_clear(extension);
    if (table_list_empty(tables) || *address == '\0')
        return TABLE_NOT_FOUND;
    return ask_tables(message, tables, address, result, extension);
}

/* ---- results ---- */

struct collection {
    struct cleanup_message *message;
    struct ipc_strings list;
    size_t room;
    const char *extension;
    const char *address; /* what was looked up */
};

static void collect(struct collection *collection, const char *address)
{
    struct arena *arena = collection->message->arena;

    if (collection->list.count == collection->room) {
        const char **larger;

        collection->room = collection->room > 0 ? 2 * collection->room : 4;
        larger = arena_alloc(arena, collection->room * sizeof *larger);
        if (collection->list.count > 0)
            memcpy(larger, collection->list.items, collection->list.count * sizeof *larger);
        collection->list.items = larger;
    }
    collection->list.items[collection->list.count++] = address;
}

/* user@domain, +ext: user+ext@domain. */
static const char *with_extension(struct arena *arena, const char *address, const char *extension)
{
    const char *domain = address_domain(address);

    if (*extension == '\0')
        return arena_copy(arena, address);
    if (domain == NULL)
        return arena_format(arena, "%s%s", address, extension);
    return arena_format(arena, "%.*s%s@%s", (int)(domain - 1 - address), address, extension, domain);
}

static const char *same_user_at(struct arena *arena, const char *address, const char *at_domain)
{
    const char *domain = address_domain(address);
    size_t length = domain != NULL ? (size_t)(domain - 1 - address) : strlen(address);

    return arena_format(arena, "%.*s%s", (int)length, address, at_domain);
}

static void collect_found(void *context, const char *address)
{
    struct collection *collection = context;
    struct cleanup_message *message = collection->message;
    struct text canonical = {0};

    /* @domain: the same user there, with the extension that he has. */
    if (*address == '@' && address[1] != '\0') {
        collect(collection, same_user_at(message->arena, collection->address, address));
        return;
    }
    address_canonical_form_local(message->cleanup->mail, address, &canonical);
    if (canonical.length > 0)
        collect(collection, with_extension(message->arena, text_string(&canonical), collection->extension));
    text_free(&canonical);
}

/* ---- canonical maps ---- */

/* One table, asked until it changes nothing more: to the left of what it gives there may be another entry. */
static const char *map_canonical(struct cleanup_message *message, struct table_list *tables, const char *address)
{
    struct text result = {0}, extension = {0};
    long left = message->cleanup->config->virtual_alias_recursion_limit;

    while (left-- > 0 && ask(message, tables, address, &result, &extension) == TABLE_FOUND) {
        struct collection found = {.message = message, .extension = "", .address = address};

        if (message->cleanup->propagate_canonical)
            found.extension = text_string(&extension);
        address_list_each(text_string(&result), collect_found, &found);
        if (found.list.count != 1) {
            log_warning(&message->log, "%s entry \"%s\" returns %s", table_list_last(tables), address,
                        found.list.count == 0 ? "an empty address" : "a list of addresses: it is not used");
            break;
        }
        if (string_equal_ignore_case(found.list.items[0], address))
            break;
        address = found.list.items[0];
    }
    text_free(&result);
    text_free(&extension);
    return message->verdict.code == 0 ? address : NULL;
}

const char *mapping_canonical(struct cleanup_message *message, const char *address, int class)
{
    struct cleanup *cleanup = message->cleanup;
    const struct canonical_table *tables[] = {&cleanup->sender_canonical, &cleanup->recipient_canonical,
                                              &cleanup->canonical};
    struct text canonical = {0};
    const char *result;

    address_canonical_form_local(cleanup->mail, address, &canonical);
    result = arena_copy(message->arena, text_string(&canonical));
    text_free(&canonical);
    if (!(message->open.flags & CLEANUP_MAP))
        return result;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && result != NULL; i++)
        if ((tables[i]->classes & class) && !table_list_empty(tables[i]->tables))
            result = map_canonical(message, tables[i]->tables, result);
    return result != NULL ? mapping_masquerade(message, result, class) : NULL;
}

/* ---- virtual aliases ---- */

static bool too_much(struct cleanup_message *message, const char *what, const char *address)
{
    log_warning(&message->log, "unreasonable virtual_alias_maps map %s for %s -- message not accepted, try again later",
                what, address);
    message_fail(message, 451, "4.6.0", "Alias expansion error");
    return false;
}

/* Puts what was found where the address stood. An alias that names itself too stays there and is done; otherwise the
 * first result takes the place and is looked up in turn. */
static bool replace(struct collection *all, size_t index, const struct ipc_strings *found)
{
    const char *address = all->list.items[index];
    size_t first = 0;
    bool changed;

    for (size_t i = 0; i < found->count; i++)
        if (string_equal_ignore_case(found->items[i], address))
            first = i;
    changed = !string_equal_ignore_case(found->items[first], address);
    all->list.items[index] = found->items[first];
    for (size_t i = 0; i < found->count; i++)
        if (i != first)
            collect(all, found->items[i]);
    return changed;
}

/* False: a table could not answer, or with nonsense. *changed: there is something to look up again. */
static bool expand_one(struct cleanup_message *message, struct collection *all, size_t index, bool *changed)
{
    const struct cleanup *cleanup = message->cleanup;
    const char *address = all->list.items[index];
    struct text result = {0}, extension = {0};
    struct collection found = {.message = message, .extension = "", .address = address};
    enum table_result answer = ask(message, cleanup->virtual_alias, address, &result, &extension);
    bool good = answer != TABLE_ERROR;

    *changed = false;
    if (cleanup->propagate_virtual)
        found.extension = text_string(&extension);
    if (answer == TABLE_FOUND)
        address_list_each(text_string(&result), collect_found, &found);
    for (size_t i = 0; good && i < found.list.count; i++)
        if (strlen(found.list.items[i]) > (size_t)cleanup->config->virtual_alias_address_length_limit)
            good = too_much(message, "expansion size", address);
    if (good && found.list.count > 0)
        *changed = replace(all, index, &found.list);
    text_free(&result);
    text_free(&extension);
    return good;
}

const struct ipc_strings *mapping_expand(struct cleanup_message *message, const char *address)
{
    const struct cleanup_config *config = message->cleanup->config;
    struct collection *all = arena_alloc(message->arena, sizeof *all);

    all->message = message;
    collect(all, address);
    if (!(message->open.flags & CLEANUP_MAP))
        return &all->list;
    for (size_t i = 0; i < all->list.count; i++) {
        bool changed = true;

        for (long depth = 0; changed; depth++) {
            if (depth > config->virtual_alias_recursion_limit)
                return too_much(message, "nesting", address) ? &all->list : NULL;
            if (!expand_one(message, all, i, &changed))
                return NULL;
            if (all->list.count > (size_t)config->virtual_alias_expansion_limit)
                return too_much(message, "expansion size", address) ? &all->list : NULL;
        }
    }
    return &all->list;
}

void recipients_add_bcc_of(struct cleanup_message *message, struct table_list *tables, const char *address)
{
    struct text result = {0}, extension = {0};
    struct collection found = {.message = message, .extension = "", .address = address};

    if (ask(message, tables, address, &result, &extension) == TABLE_FOUND)
        address_list_each(text_string(&result), collect_found, &found);
    for (size_t i = 0; i < found.list.count; i++)
        recipients_add_bcc(message, found.list.items[i]);
    text_free(&result);
    text_free(&extension);
}
