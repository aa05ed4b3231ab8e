#include "cli/queue_selection.h"

#include <stdlib.h>
#include <string.h>

#include "mail/config/config.h"
#include "util/base/clock.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/table/pattern.h"

struct queue_selection {
    struct pattern *sender, *recipient, *domain, *client, *reason; /* NULL: whatever it is */
    int64_t arrived_before;                                         /* seconds since 1970; INT64_MAX: whenever */
    int64_t larger;                                                 /* bytes; -1: any size */
    bool dry_run;
};

struct queue_selection *queue_selection_new(void)
{
    struct queue_selection *selection = memory_new(sizeof *selection);

    selection->arrived_before = INT64_MAX;
    selection->larger = -1;
    return selection;
}

void queue_selection_free(struct queue_selection *selection)
{
    pattern_free(selection->sender);
    pattern_free(selection->recipient);
    pattern_free(selection->domain);
    pattern_free(selection->client);
    pattern_free(selection->reason);
    free(selection);
}

/* ---- options ---- */

static void take_pattern(struct pattern **pattern, const char *words)
{
    struct error error;

    pattern_free(*pattern);
    *pattern = pattern_new(words, &error);
    if (*pattern == NULL)
        die("%s", error.text);
}

/* "" and "<>" are how people write the empty sender; in a listing it has a name. */
static const char *sender_words(const char *words)
{
    return *words == '\0' || string_equal(words, "<>") ? "MAILER-DAEMON" : words;
}

static int64_t parse_older(const char *words)
{
    duration length;

    if (!config_parse_time(words, 's', &length) || length < 0)
        die("--older %s: not a time such as 90, 30m, 2h or 5d", words);
    return (clock_wall() - length) / SECONDS;
}

static int64_t parse_larger(const char *words)
{
    static const char units[] = "kmg";
    char *end;
    int64_t size = strtoll(words, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, ascii_lower(*end)) : NULL;
    int shift = unit != NULL ? 10 * (int)(unit - units + 1) : 0;

    if (end == words || size < 0 || size > INT64_MAX >> shift || (*end != '\0' && (unit == NULL || end[1] != '\0')))
        die("--larger %s: not a size such as 5000, 20k or 1m", words);
    return size << shift;
}

bool queue_selection_take(struct queue_selection *selection, int option, const char *value)
{
    switch (option) {
    case SELECT_SENDER: take_pattern(&selection->sender, sender_words(value)); break;
    case SELECT_RECIPIENT: take_pattern(&selection->recipient, value); break;
    case SELECT_DOMAIN: take_pattern(&selection->domain, value); break;
    case SELECT_CLIENT: take_pattern(&selection->client, value); break;
    case SELECT_REASON: take_pattern(&selection->reason, value); break;
    case SELECT_OLDER: selection->arrived_before = parse_older(value); break;
    case SELECT_LARGER: selection->larger = parse_larger(value); break;
    case SELECT_DRY_RUN: selection->dry_run = true; break;
    default: return false;
    }
    return true;
}

static bool any_recipient_will_do(const struct queue_selection *selection)
{
    return selection->recipient == NULL && selection->domain == NULL && selection->reason == NULL;
}

bool queue_selection_is_empty(const struct queue_selection *selection)
{
    return any_recipient_will_do(selection) && selection->sender == NULL && selection->client == NULL &&
           selection->arrived_before == INT64_MAX && selection->larger < 0;
}

bool queue_selection_is_dry(const struct queue_selection *selection)
{
    return selection->dry_run;
}

bool queue_selection_needs_files(const struct queue_selection *selection)
{
    return selection->client != NULL;
}

/* ---- matching ---- */

static bool suits(const struct pattern *pattern, const char *string)
{
    return pattern == NULL || pattern_matches(pattern, string);
}

static bool client_suits(const struct queue_selection *selection, const struct queue_entry *entry)
{
    return selection->client == NULL || pattern_matches(selection->client, entry->client_name) ||
           pattern_matches(selection->client, entry->client_address);
}

static bool entry_suits(const struct queue_selection *selection, const struct queue_entry *entry)
{
    return entry->arrival_time <= selection->arrived_before && entry->size > selection->larger &&
           suits(selection->sender, entry->sender) && client_suits(selection, entry);
}

const char *queue_selection_domain(const char *address)
{
    const char *at = strrchr(address, '@');

    return at != NULL ? at + 1 : "";
}

static bool recipient_suits(const struct queue_selection *selection, const struct queue_entry_recipient *recipient)
{
    return suits(selection->recipient, recipient->address) &&
           suits(selection->domain, queue_selection_domain(recipient->address)) &&
           suits(selection->reason, recipient->reason);
}

/* ---- passing on ---- */

void queue_filter_start(struct queue_filter *filter, const struct queue_selection *selection,
                        const struct queue_listing *target)
{
    *filter = (struct queue_filter){.selection = selection, .target = target, .arena = arena_new()};
}

void queue_filter_end(struct queue_filter *filter)
{
    arena_free(filter->arena);
    free(filter->recipients);
}

static bool filter_entry(void *context, const struct queue_entry *entry)
{
    struct queue_filter *filter = context;

    arena_clear(filter->arena);
    filter->count = 0;
    filter->possible = entry_suits(filter->selection, entry);
    filter->matched = filter->possible && any_recipient_will_do(filter->selection);
    if (!filter->possible)
        return true;
    filter->entry = *entry;
    filter->entry.queue_name = arena_copy(filter->arena, entry->queue_name);
    filter->entry.queue_id = arena_copy(filter->arena, entry->queue_id);
    filter->entry.sender = arena_copy(filter->arena, entry->sender);
    filter->entry.client_name = filter->entry.client_address = "";
    return true;
}

static bool filter_recipient(void *context, const struct queue_entry_recipient *recipient)
{
    struct queue_filter *filter = context;

    if (!filter->possible)
        return true;
    filter->matched = filter->matched || recipient_suits(filter->selection, recipient);
    if (filter->count == filter->room) {
        filter->room = filter->room > 0 ? 2 * filter->room : 16;
        filter->recipients = memory_resize(filter->recipients, filter->room * sizeof *filter->recipients);
    }
    filter->recipients[filter->count++] = (struct queue_entry_recipient){
        .original = arena_copy(filter->arena, recipient->original),
        .address = arena_copy(filter->arena, recipient->address),
        .log_class = arena_copy(filter->arena, recipient->log_class),
        .reason = arena_copy(filter->arena, recipient->reason),
    };
    return true;
}

static bool filter_entry_end(void *context)
{
    struct queue_filter *filter = context;
    const struct queue_listing *target = filter->target;

    if (!filter->matched)
        return true;
    filter->selected++;
    if (target == NULL)
        return true;
    if (!target->entry(target->context, &filter->entry))
        return false;
    for (size_t i = 0; i < filter->count; i++)
        if (!target->recipient(target->context, &filter->recipients[i]))
            return false;
    return target->entry_end(target->context);
}

struct queue_listing queue_filter_listing(struct queue_filter *filter)
{
    return (struct queue_listing){filter_entry, filter_recipient, filter_entry_end, filter};
}

bool queue_selection_has(const struct queue_selection *selection, const struct queue_layout *layout,
                         const char *queue, const char *id)
{
    struct queue_filter filter;
    struct queue_listing listing;
    bool has;

    if (queue_selection_is_empty(selection))
        return true;
    queue_filter_start(&filter, selection, NULL);
    listing = queue_filter_listing(&filter);
    queue_listing_file(layout, &listing, queue, id);
    has = filter.selected > 0;
    queue_filter_end(&filter);
    return has;
}
