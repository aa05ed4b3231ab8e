#include "qmgr/suspension.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail/address/address.h"
#include "qmgr/deliver.h"
#include "qmgr/resumption.h"
#include "qmgr/suspension_file.h"
#include "qmgr/transport.h"
#include "util/base/memory.h"

enum { NAME_SIZE = 256, LONGEST_WAIT_SECONDS = 3600 };

struct suspension {
    int64_t until; /* seconds since 1970; 0: no end */
    char *reason;
};

struct suspensions {
    struct manager *manager;
    struct map *names;
    struct suspension_file *file;
    struct task_semaphore changing; /* one change at a time */
    struct loop_timer *timer;       /* for the next that ends */
};

static void forget(void *value)
{
    struct suspension *suspension = value;

    free(suspension->reason);
    free(suspension);
}

static struct suspension *make(const char *name, int64_t until)
{
    struct suspension *suspension = memory_new(sizeof *suspension);
    time_t when = (time_t)until;
    char stamp[40] = "";
    struct tm local;

    suspension->until = until;
    if (until > 0 && localtime_r(&when, &local) != NULL)
        strftime(stamp, sizeof stamp, " until %Y-%m-%dT%H:%M:%S", &local);
    suspension->reason = memory_format("delivery to %s suspended by the administrator%s", name, stamp);
    return suspension;
}

static const struct suspension *put(struct map *names, const char *name, int64_t until)
{
    struct suspension *suspension = make(name, until), *before = map_set(names, name, suspension);

    if (before != NULL)
        forget(before);
    return suspension;
}

/* ---- what is suspended ---- */

static bool is_over(const struct suspension *suspension)
{
    return suspension->until > 0 && suspension->until <= clock_wall() / SECONDS;
}

static const struct suspension *find(const struct suspensions *suspensions, const char *name)
{
    char lowered[NAME_SIZE];
    const struct suspension *suspension;

    if (name == NULL || strlen(name) >= sizeof lowered)
        return NULL;
    strcpy(lowered, name);
    ascii_lower_string(lowered);
    suspension = map_get(suspensions->names, lowered);
    return suspension != NULL && !is_over(suspension) ? suspension : NULL;
}

const char *suspension_reason(const struct message *message, const struct message_recipient *recipient,
                              const char *nexthop)
{
    const struct suspensions *suspensions = message->manager->suspensions;
    const struct suspension *found;

    if (message->insist || map_count(suspensions->names) == 0)
        return NULL;
    found = find(suspensions, address_domain(recipient->address));
    if (found == NULL)
        found = find(suspensions, nexthop);
    return found != NULL ? found->reason : NULL;
}

void suspensions_list(const struct suspensions *suspensions, struct arena *arena, struct qmgr_suspensions *list)
{
    const char **names = map_sorted_keys(suspensions->names);
    size_t count = map_count(suspensions->names);

    list->domains.items = arena_alloc(arena, (count + 1) * sizeof(char *));
    list->until.items = arena_alloc(arena, (count + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const struct suspension *suspension = map_get(suspensions->names, names[i]);

        if (is_over(suspension))
            continue;
        list->domains.items[list->domains.count++] = arena_copy(arena, names[i]);
        list->until.items[list->until.count++] = arena_format(arena, "%" PRId64, suspension->until);
    }
    free(names);
}

/* ---- what waits already ---- */

/* The suspended recipients, as an entry of their own. */
static void split_off(struct entry *entry, struct message_recipient **suspended, size_t count, const char *reason)
{
    struct entry *part = arena_alloc(entry->message->arena, sizeof *part);

    *part = *entry;
    part->link = (struct link){0};
    part->recipients = suspended;
    part->count = count;
    part->message->pending++;
    destination_hold(part->destination);
    deliver_defer_start(part, SUSPENSION_DSN, reason);
}

bool suspension_spare(struct entry *entry)
{
    struct message_recipient **suspended = NULL;
    const char *reason = NULL;
    size_t count = 0, kept = 0;

    if (map_count(entry->message->manager->suspensions->names) == 0 || entry->message->insist)
        return true;
    suspended = arena_alloc(entry->message->arena, entry->count * sizeof *suspended);
    for (size_t i = 0; i < entry->count; i++) {
        const char *why = suspension_reason(entry->message, entry->recipients[i], entry->nexthop);

        reason = why != NULL ? why : reason;
        if (why != NULL)
            suspended[count++] = entry->recipients[i];
        else
            entry->recipients[kept++] = entry->recipients[i];
    }
    if (kept > 0 && count > 0)
        split_off(entry, suspended, count, reason);
    if (kept > 0) {
        entry->count = kept;
        return true;
    }
    memcpy(entry->recipients, suspended, count * sizeof *suspended);
    deliver_defer_start(entry, SUSPENSION_DSN, reason);
    return false;
}

/* Those that stay keep their order. */
static void spare_list(struct list *list)
{
    for (size_t count = list->count; count > 0; count--) {
        struct link *link = list_take_first(list);

        if (suspension_spare(list_entry(link, struct entry, link)))
            list_append(list, link);
    }
}

static void spare_waiting(struct manager *manager)
{
    size_t at = 0, inner;
    const char *name;
    void *value;

    while (map_next(manager->transports, &at, &name, &value)) {
        struct transport *transport = value;

        inner = 0;
        while (map_next(transport->destinations, &inner, &name, &value)) {
            struct destination *destination = value;

            spare_list(&destination->small);
            spare_list(&destination->large);
        }
    }
}

/* ---- changes ---- */

/* When does the next one end? The wall clock may be set meanwhile, so that no wait is long. */
static void set_timer(struct suspensions *suspensions)
{
    int64_t next = INT64_MAX, now = clock_wall() / SECONDS;
    size_t position = 0;
    const char *name;
    void *value;

    while (map_next(suspensions->names, &position, &name, &value)) {
        const struct suspension *suspension = value;

        if (suspension->until > 0 && suspension->until < next)
            next = suspension->until;
    }
    if (next == INT64_MAX)
        return;
    next = next > now + LONGEST_WAIT_SECONDS ? LONGEST_WAIT_SECONDS : next > now ? next - now : 1;
    loop_timer_set(suspensions->timer, next * SECONDS);
}

/* The file as it is to be; then memory. Within the semaphore. */
static bool save(struct suspensions *suspensions, const char *name, const int64_t *until, struct error *error)
{
    struct text lines = {0};
    size_t position = 0;
    const char *other;
    void *value;
    bool saved;

    while (map_next(suspensions->names, &position, &other, &value))
        if (!string_equal(other, name))
            suspension_file_append(&lines, other, ((const struct suspension *)value)->until);
    if (until != NULL)
        suspension_file_append(&lines, name, *until);
    saved = suspension_file_write(suspensions->file, &lines, error);
    text_free(&lines);
    return saved;
}

static bool name_is_good(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 127)
            return false;
    return length > 0 && length < NAME_SIZE;
}

bool suspension_begin(struct suspensions *suspensions, const char *name, int64_t until, struct error *error)
{
    char lowered[NAME_SIZE];
    bool saved;

    if (!name_is_good(name))
        return error_set(error, "\"%s\" is not a domain", name);
    if (until < 0 || (until > 0 && until <= clock_wall() / SECONDS))
        return error_set(error, "the suspension would end before it begins");
    strcpy(lowered, name);
    ascii_lower_string(lowered);
    task_semaphore_take(&suspensions->changing, deadline_never());
    saved = save(suspensions, lowered, &until, error);
    if (saved) {
        const struct suspension *suspension = put(suspensions->names, lowered, until);

        log_info(NULL, "%s", suspension->reason);
        spare_waiting(suspensions->manager);
        set_timer(suspensions);
    }
    task_semaphore_give(&suspensions->changing);
    return saved;
}

bool suspension_end(struct suspensions *suspensions, const char *name, struct error *error)
{
    char lowered[NAME_SIZE];
    struct suspension *suspension;
    bool saved = false;

    if (!name_is_good(name))
        return error_set(error, "\"%s\" is not a domain", name);
    strcpy(lowered, name);
    ascii_lower_string(lowered);
    task_semaphore_take(&suspensions->changing, deadline_never());
    if (map_get(suspensions->names, lowered) == NULL)
        error_set(error, "%s is not suspended", name);
    else
        saved = save(suspensions, lowered, NULL, error);
    suspension = saved ? map_remove(suspensions->names, lowered) : NULL;
    task_semaphore_give(&suspensions->changing);
    if (suspension == NULL)
        return false;
    log_info(NULL, "delivery to %s resumed", lowered);
    forget(suspension);
    resumption_start(suspensions->manager, lowered);
    return true;
}

/* ---- time ---- */

static const char *find_over(const struct suspensions *suspensions)
{
    size_t position = 0;
    const char *name;
    void *value;

    while (map_next(suspensions->names, &position, &name, &value))
        if (is_over(value))
            return name;
    return NULL;
}

static void run_ends(void *argument)
{
    struct suspensions *suspensions = argument;
    struct error error;
    const char *name;

    while ((name = find_over(suspensions)) != NULL) {
        char *copy = memory_copy_string(name);
        bool ended = suspension_end(suspensions, copy, &error);

        free(copy);
        if (!ended) {
            log_warning(NULL, "%s", error.text);
            break;
        }
    }
    set_timer(suspensions);
}

static void wake(void *context)
{
    task_start(run_ends, context);
}

/* ---- start ---- */

static void load(void *context, const char *name, int64_t until)
{
    struct suspensions *suspensions = context;

    if (name_is_good(name))
        put(suspensions->names, name, until);
}

struct suspensions *suspensions_new(struct manager *manager)
{
    struct suspensions *suspensions = memory_new(sizeof *suspensions);

    suspensions->manager = manager;
    suspensions->names = map_new();
    suspensions->file = suspension_file_open(manager->mail->data_directory);
    suspension_file_read(suspensions->file, load, suspensions);
    return suspensions;
}

void suspensions_start(struct suspensions *suspensions)
{
    task_semaphore_init(&suspensions->changing, 1);
    suspensions->timer = loop_timer_new(wake, suspensions);
    set_timer(suspensions);
}
