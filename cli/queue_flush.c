#include "cli/queue_flush.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/queue_manager.h"
#include "cli/queue_print.h"
#include "cli/queue_source.h"
#include "mail/address/match_list.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/net/address.h"

enum { IDS_A_QUESTION = 200 };

static const char down[] = "Cannot flush mail queue - mail system is down";

static void check_user(const struct queue_command *command)
{
    if (getuid() != 0)
        queue_command_check_user(command, "authorized_flush_users", "flush the mail queue");
}

static void ask(const struct queue_command *command, const char **ids, size_t count, struct qmgr_delivering *answer,
                struct arena *arena)
{
    /* Who may suspend destinations may also pass over that. */
    struct qmgr_deliver question = {.queue_ids = {ids, count}, .suspended_too = queue_command_may_suspend(command)};
    struct error error;

    if (!queue_manager_ask(command, command->mail.ipc_timeout, &ipc_qmgr_deliver, &question, &ipc_qmgr_delivering,
                           answer, arena, &error)) {
        log_warning(NULL, "%s", error.text);
        die("%s", down);
    }
}

/* What is not deferred needs no words. */
void queue_flush_id(const struct queue_command *command, const char *id)
{
    struct qmgr_delivering answer;
    struct arena *arena = arena_new();

    check_user(command);
    if (!queue_command_id_plausible(id))
        die("Cannot flush queue ID - invalid name: \"%s\"", id);
    ask(command, &id, 1, &answer, arena);
    if (answer.busy.count > 0)
        log_warning(NULL, "%s: is being delivered", id);
    arena_free(arena);
}

/* ---- what is selected ---- */

/* Passes deferred messages on to print, when there is one, and keeps their IDs. */
struct collection {
    struct arena *arena;
    const char **ids;
    size_t count, room;
    const struct queue_listing *print;
};

static bool collect_message(void *context, const struct listed_message *message)
{
    struct collection *collection = context;

    if (!string_equal(message->queue_name, QUEUE_DEFERRED))
        return true;
    if (collection->count == collection->room) {
        collection->room = collection->room > 0 ? 2 * collection->room : IDS_A_QUESTION;
        collection->ids = memory_resize(collection->ids, collection->room * sizeof *collection->ids);
    }
    collection->ids[collection->count++] = arena_copy(collection->arena, message->queue_id);
    return collection->print == NULL || collection->print->message(collection->print->context, message);
}

static void deliver(const struct queue_command *command, const struct collection *collection)
{
    struct qmgr_delivering answer;
    struct arena *arena = arena_new();

    for (size_t i = 0; i < collection->count; i += IDS_A_QUESTION) {
        size_t left = collection->count - i;

        ask(command, collection->ids + i, left < IDS_A_QUESTION ? left : IDS_A_QUESTION, &answer, arena);
        for (size_t j = 0; j < answer.busy.count; j++)
            log_warning(NULL, "%s: is being delivered", answer.busy.items[j]);
        arena_clear(arena);
    }
    arena_free(arena);
}

static void flush_selected(const struct queue_command *command, const struct queue_selection *selection)
{
    struct map *none = map_new();
    struct queue_print print = {.long_ids = command->mail.enable_long_queue_ids, .selective = true,
                                .suspended = none};
    const struct queue_listing to_print = queue_print_listing(&print);
    struct collection collection = {.arena = arena_new()};
    const struct queue_listing listing = {collect_message, &collection};

    if (queue_selection_is_dry(selection))
        collection.print = &to_print;
    queue_source_read(command, selection, &listing);
    if (queue_selection_is_dry(selection))
        queue_print_end(&print);
    else
        deliver(command, &collection);
    free(collection.ids);
    arena_free(collection.arena);
    map_free(none);
}

/* ---- commands ---- */

void queue_flush(const struct queue_command *command, const struct queue_selection *selection)
{
    char *path;

    check_user(command);
    if (!queue_selection_is_empty(selection) || queue_selection_is_dry(selection)) {
        flush_selected(command, selection);
        return;
    }
    path = memory_format("public/%s", command->mail.queue_service_name);
    if (!queue_command_trigger(path, "FADI"))
        die("%s", down);
    free(path);
}

/* A domain, or an address in brackets. */
static bool is_site(const char *site)
{
    size_t length = strlen(site);
    struct net_address address;
    bool literal = length > 2 && *site == '[' && site[length - 1] == ']';
    char *inner = literal ? memory_copy_bytes(site + 1, length - 2) : NULL;
    bool valid = literal ? net_address_parse(inner, &address) : net_hostname_valid(site);

    free(inner);
    return valid;
}

void queue_flush_site(const struct queue_command *command, const char *site, struct queue_selection *selection)
{
    struct error error;
    struct match_list *domains = match_list_new(command->mail.fast_flush_domains, MATCH_SUBDOMAINS, &error);

    check_user(command);
    if (!is_site(site))
        die("Cannot flush mail queue - invalid destination: \"%s\"", site);
    if (domains == NULL)
        die("fast_flush_domains: %s", error.text);
    if (match_list_domain(domains, site, &error) != MATCH_YES)
        die("Flush service is not configured for destination \"%s\"", site);
    match_list_free(domains);
    queue_selection_take(selection, SELECT_DOMAIN, site);
    flush_selected(command, selection);
}
