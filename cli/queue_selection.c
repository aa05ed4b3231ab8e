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

static bool suits(const struct pattern *pattern, const char *string, struct error *failure)
{
    return pattern == NULL || pattern_matches(pattern, string, failure);
}

static bool client_suits(const struct queue_selection *selection, const struct listed_message *message,
                         struct error *failure)
{
    return selection->client == NULL || pattern_matches(selection->client, message->client_name, failure) ||
           pattern_matches(selection->client, message->client_address, failure);
}

const char *queue_selection_domain(const char *address)
{
    const char *at = strrchr(address, '@');

    return at != NULL ? at + 1 : "";
}

static bool recipient_suits(const struct queue_selection *selection, const struct listed_recipient *recipient,
                            struct error *failure)
{
    return suits(selection->recipient, recipient->address, failure) &&
           suits(selection->domain, queue_selection_domain(recipient->address), failure) &&
           suits(selection->reason, recipient->reason, failure);
}

bool queue_selection_suits(const struct queue_selection *selection, const struct listed_message *message,
                           struct error *failure)
{
    bool suitable = any_recipient_will_do(selection);

    if (message->arrival_time > selection->arrived_before || message->size <= selection->larger ||
        !suits(selection->sender, message->sender, failure) || !client_suits(selection, message, failure))
        return false;
    for (size_t i = 0; !suitable && i < message->recipient_count; i++)
        suitable = recipient_suits(selection, &message->recipients[i], failure);
    return suitable;
}
