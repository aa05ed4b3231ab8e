#include "cli/queue_print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/queue_selection.h"
#include "cli/queue_suspend.h"
#include "util/base/json.h"
#include "util/base/text.h"

enum { REASON_COLUMN = 76, SHORT_COLUMN = 41, LONG_COLUMN = 47, DOMAIN_SIZE = 256 };

const char *queue_print_time(int64_t seconds, char stamp[QUEUE_PRINT_TIME_SIZE])
{
    time_t when = (time_t)seconds;
    struct tm local;

    *stamp = '\0';
    if (localtime_r(&when, &local) != NULL)
        strftime(stamp, QUEUE_PRINT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &local);
    return stamp;
}

/* ---- for people ---- */

static void print_header(bool long_ids)
{
    if (long_ids)
        printf("%-17s %8s %19s %s\n", "----Queue ID-----", "--Size--", "---Arrival Time----", "--Sender/Recipient------");
    else
        puts("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------");
}

static void text_entry(struct queue_print *print, const struct listed_message *entry)
{
    time_t when = (time_t)entry->arrival_time;
    char id[QUEUE_ID_SIZE + 2], stamp[64] = "";
    const char *mark = string_equal(entry->queue_name, QUEUE_ACTIVE) ? "*"
                       : string_equal(entry->queue_name, QUEUE_HOLD) ? "!"
                                                                     : "";
    struct tm local;

    if (print->messages++ == 0)
        print_header(print->long_ids);
    else
        putchar('\n');
    print->bytes += entry->size;
    text_clear(&print->reason);
    if (localtime_r(&when, &local) != NULL)
        strftime(stamp, sizeof stamp, "%a %b %e %H:%M:%S %Y", &local);
    snprintf(id, sizeof id, "%s%s%s", entry->queue_id, mark, entry->forced_expire ? "#" : "");
    if (print->long_ids)
        printf("%-17s %8lld %19.19s %s\n", id, (long long)entry->size, stamp, entry->sender);
    else
        printf("%-11s %7lld %20.20s %s\n", id, (long long)entry->size, stamp, entry->sender);
}

static void text_recipient(struct queue_print *print, const struct listed_recipient *recipient)
{
    bool known = *recipient->reason != '\0';
    const char *reason = known ? recipient->reason : "reason unavailable";
    int indent = REASON_COLUMN - (int)strlen(reason);

    /* What holds for several recipients in a row stands once above them. */
    if ((known || print->reason.length > 0) && !string_equal(recipient->reason, text_string(&print->reason)))
        printf("%*s(%s)\n", indent > 0 ? indent : 0, "", reason);
    text_clear(&print->reason);
    text_append(&print->reason, recipient->reason);
    printf("%*s%s\n", print->long_ids ? LONG_COLUMN : SHORT_COLUMN, "", recipient->address);
}

static bool text_message(void *context, const struct listed_message *message)
{
    text_entry(context, message);
    for (size_t i = 0; i < message->recipient_count; i++)
        text_recipient(context, &message->recipients[i]);
    return ferror(stdout) == 0;
}

/* ---- for programs ---- */

void queue_print_member(const char *name, const char *value)
{
    struct text member = {0};

    json_append_member(&member, name, value);
    fputs(text_string(&member), stdout);
    text_free(&member);
}

static void json_entry(const struct listed_message *entry)
{
    putchar('{');
    queue_print_member("queue_name", entry->queue_name);
    fputs(", ", stdout);
    queue_print_member("queue_id", entry->queue_id);
    printf(", \"arrival_time\": %lld, \"message_size\": %lld, \"forced_expire\": %s, ", (long long)entry->arrival_time,
           (long long)entry->size, entry->forced_expire ? "true" : "false");
    queue_print_member("sender", entry->sender);
    fputs(", \"recipients\": [", stdout);
}

static const char *lowered_domain(const char *address, char domain[DOMAIN_SIZE])
{
    snprintf(domain, DOMAIN_SIZE, "%s", queue_selection_domain(address));
    ascii_lower_string(domain);
    return domain;
}

static void json_recipient(const struct queue_print *print, const struct listed_recipient *recipient)
{
    char domain[DOMAIN_SIZE];

    putchar('{');
    if (*recipient->original != '\0' && !string_equal(recipient->original, recipient->address)) {
        queue_print_member("orig_address", recipient->original);
        fputs(", ", stdout);
    }
    queue_print_member("address", recipient->address);
    if (*recipient->reason != '\0') {
        fputs(", ", stdout);
        queue_print_member(string_equal(recipient->log_class, QUEUE_BOUNCE) ? "bounce_reason" : "delay_reason",
                     recipient->reason);
    }
    if (map_get(print->suspended, lowered_domain(recipient->address, domain)) != NULL)
        fputs(", \"suspended\": true", stdout);
    putchar('}');
}

static bool json_message(void *context, const struct listed_message *message)
{
    struct queue_print *print = context;

    print->messages++;
    json_entry(message);
    for (size_t i = 0; i < message->recipient_count; i++) {
        fputs(i > 0 ? ", " : "", stdout);
        json_recipient(print, &message->recipients[i]);
    }
    puts("]}");
    return ferror(stdout) == 0;
}

struct queue_listing queue_print_listing(struct queue_print *print)
{
    return (struct queue_listing){print->json ? json_message : text_message, print};
}

void queue_print_end(struct queue_print *print)
{
    text_free(&print->reason);
    if (print->json)
        return;
    if (print->messages > 0 && map_count(print->suspended) > 0)
        putchar('\n');
    queue_suspend_print(print->suspended, "-- Suspended: ");
    if (print->messages == 0)
        puts(print->selective ? "No message in the mail queue is selected" : "Mail queue is empty");
    else
        printf("%s-- %lld Kbytes in %zu Request%s.\n", map_count(print->suspended) > 0 ? "" : "\n", (long long)(print->bytes / 1024), print->messages,
               print->messages == 1 ? "" : "s");
}
