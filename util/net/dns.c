#include "util/net/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/base/list.h"
#include "util/base/map.h"
#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/net/ascii_name.h"
#include "util/net/dns_transport.h"
#include "util/task/task.h"

enum {
    CACHE_LIMIT_DEFAULT = 4096,
    CACHED_REPLY_LIMIT = 4096, /* bytes; a longer reply is used, not remembered */
    ALIAS_STEPS = 10,          /* questions asked for one name that leads elsewhere */
};

static const duration longest_memory = 3600 * SECONDS;
static const duration longest_negative_memory = 60 * SECONDS;
static const duration resolver_check_interval = 1 * SECONDS;
static const char resolver_file[] = "/etc/resolv.conf";

/* A question that is being asked, or its answer. Freed when nobody uses it and the cache does not hold it. */
struct entry {
    struct link link; /* in dns->answers while cached and answered; the oldest use first */
    struct dns *dns;
    char *key;
    char *name;
    enum dns_type type;
    bool pending;
    bool cached; /* found by key */
    size_t users;
    struct task_condition answered;
    enum dns_status status;
    unsigned char *reply;
    size_t length;
    int64_t arrived;
    int64_t expires;
};

struct dns {
    struct dns_transport *transport;
    char *servers;
    struct map *entries;
    struct list answers;
    size_t cache_limit;
    struct timespec resolver_changed; /* modification time of resolv.conf */
    int64_t resolver_checked;
};

static void entry_free(struct entry *entry)
{
    free(entry->key);
    free(entry->name);
    free(entry->reply);
    free(entry);
}

/* Takes an entry out of the cache: nobody finds it any more. */
static void entry_forget(struct entry *entry)
{
    if (!entry->cached)
        return;
    entry->cached = false;
    map_remove(entry->dns->entries, entry->key);
    if (!entry->pending)
        list_remove(&entry->dns->answers, &entry->link);
    if (entry->users == 0 && !entry->pending)
        entry_free(entry);
}

static void entry_leave(struct entry *entry)
{
    entry->users--;
    if (entry->users == 0 && !entry->cached && !entry->pending)
        entry_free(entry);
}

static void make_room(struct dns *dns)
{
    while (dns->answers.count >= dns->cache_limit)
        entry_forget(list_entry(list_first(&dns->answers), struct entry, link));
}

/* How long an answer may be remembered. */
static duration memory_length(const struct entry *entry)
{
    struct arena *arena = arena_new();
    struct dns_answer answer;
    enum dns_status status = dns_answer_parse(entry->reply, entry->length, entry->name, entry->type, arena, &answer);
    bool negative = status == DNS_NOT_FOUND || status == DNS_NO_DATA;
    duration limit = negative ? longest_negative_memory : longest_memory;
    duration length = (int64_t)answer.ttl * SECONDS;

    arena_free(arena);
    if (status == DNS_INVALID || entry->length > CACHED_REPLY_LIMIT)
        return 0;
    return length < limit ? length : limit;
}

static void on_reply(void *context, enum dns_status status, const unsigned char *reply, size_t length)
{
    struct entry *entry = context;
    duration memory = 0;

    entry->status = status;
    entry->arrived = clock_monotonic();
    if (status == DNS_OK) {
        entry->reply = (unsigned char *)memory_copy_bytes((const char *)reply, length);
        entry->length = length;
        memory = memory_length(entry);
    }
    entry->expires = entry->arrived + memory;
    entry->pending = false;
    make_room(entry->dns);
    list_append(&entry->dns->answers, &entry->link);
    task_condition_wake_all(&entry->answered);
    if (memory == 0)
        entry_forget(entry);
}

/* Another network, other name servers: those who ask from now on ask the new ones. */
static void follow_resolver_changes(struct dns *dns)
{
    struct stat status;
    struct dns_transport *fresh;
    struct error error;

    if (*dns->servers != '\0' || clock_monotonic() - dns->resolver_checked < resolver_check_interval)
        return;
    dns->resolver_checked = clock_monotonic();
    if (stat(resolver_file, &status) != 0 || (status.st_mtim.tv_sec == dns->resolver_changed.tv_sec &&
                                              status.st_mtim.tv_nsec == dns->resolver_changed.tv_nsec))
        return;
    fresh = dns_transport_new(dns->servers, &error);
    if (fresh == NULL)
        return;
    dns->resolver_changed = status.st_mtim;
    dns_transport_retire(dns->transport);
    dns->transport = fresh;
}

struct dns *dns_new(const struct dns_settings *settings, struct error *error)
{
    const char *servers = settings->servers != NULL ? settings->servers : "";
    struct dns_transport *transport = dns_transport_new(servers, error);
    struct stat status;
    struct dns *dns;

    if (transport == NULL)
        return NULL;
    dns = memory_new(sizeof *dns);
    *dns = (struct dns){
        .transport = transport,
        .servers = memory_copy_string(servers),
        .entries = map_new(),
        .cache_limit = settings->cache_limit > 0 ? settings->cache_limit : CACHE_LIMIT_DEFAULT,
        .resolver_checked = clock_monotonic(),
    };
    list_init(&dns->answers);
    if (stat(resolver_file, &status) == 0)
        dns->resolver_changed = status.st_mtim;
    return dns;
}

void dns_free(struct dns *dns)
{
    if (dns == NULL)
        return;
    dns_transport_free(dns->transport);
    while (!list_empty(&dns->answers))
        entry_forget(list_entry(list_first(&dns->answers), struct entry, link));
    map_free(dns->entries);
    free(dns->servers);
    free(dns);
}

/* The remembered answer or the open question for a name; otherwise asks. The caller is one of its users. */
static struct entry *find_or_ask(struct dns *dns, const char *name, enum dns_type type)
{
    char *key = memory_format("%d %s", (int)type, name);
    struct entry *entry = map_get(dns->entries, key);

    if (entry != NULL && !entry->pending && clock_monotonic() >= entry->expires) {
        entry_forget(entry);
        entry = NULL;
    }
    if (entry != NULL) {
        free(key);
        entry->users++;
        return entry;
    }
    entry = memory_new(sizeof *entry);
    *entry = (struct entry){.dns = dns, .key = key, .name = memory_copy_string(name), .type = type, .pending = true,
                            .cached = true, .users = 1};
    task_condition_init(&entry->answered);
    map_set(dns->entries, key, entry);
    follow_resolver_changes(dns);
    dns_transport_ask(dns->transport, name, type, on_reply, entry);
    return entry;
}

static void keep_recent(struct entry *entry)
{
    if (!entry->cached)
        return;
    list_remove(&entry->dns->answers, &entry->link);
    list_append(&entry->dns->answers, &entry->link);
}

static void age_answer(struct dns_answer *answer, duration age)
{
    uint32_t seconds = (uint32_t)(age / SECONDS);

    answer->ttl -= answer->ttl < seconds ? answer->ttl : seconds;
    for (size_t i = 0; i < answer->count; i++)
        answer->records[i].ttl -= answer->records[i].ttl < seconds ? answer->records[i].ttl : seconds;
}

/* One question, without following where the reply leads. */
static enum dns_status lookup_once(struct dns *dns, const char *name, enum dns_type type, struct deadline deadline,
                                   struct arena *arena, struct dns_answer *answer)
{
    struct entry *entry = find_or_ask(dns, name, type);
    enum wait_result waited = WAIT_READY;
    enum dns_status status = DNS_TRY_AGAIN;

    *answer = (struct dns_answer){0};
    while (entry->pending && waited == WAIT_READY)
        waited = task_condition_wait(&entry->answered, deadline);
    if (waited == WAIT_CANCELLED) {
        status = DNS_CANCELLED;
    } else if (!entry->pending) {
        status = entry->status;
        keep_recent(entry);
    }
    if (status == DNS_OK) {
        /* Records point into the reply, which the cache may drop. */
        const char *reply = arena_copy_bytes(arena, (const char *)entry->reply, entry->length);

        status = dns_answer_parse((const unsigned char *)reply, entry->length, name, type, arena, answer);
        age_answer(answer, clock_monotonic() - entry->arrived);
    }
    entry_leave(entry);
    return status;
}

static void describe(enum dns_status status, const char *name, enum dns_type type, struct error *error)
{
    static const char *const texts[] = {
        [DNS_OK] = "",
        [DNS_NOT_FOUND] = "Host not found",
        [DNS_NO_DATA] = "Host found but no data record of requested type",
        [DNS_NULL_MX] = "",
        [DNS_TRY_AGAIN] = "Host not found, try again",
        [DNS_INVALID] = "Malformed or unexpected name server reply",
        [DNS_REFUSED] = "DNS lookup is disabled",
        [DNS_CANCELLED] = "lookup was cancelled",
    };
    char type_name[16];

    if (error == NULL || status == DNS_OK)
        return;
    if (status == DNS_NULL_MX)
        error_set(error, "Domain %s does not accept mail (nullMX)", name);
    else
        error_set(error, "%sName service error for name=%s type=%s: %s",
                  status != DNS_INVALID ? "Host or domain name not found. " : "", name, dns_type_name(type, type_name),
                  texts[status]);
}

enum dns_status dns_lookup(struct dns *dns, const char *name, enum dns_type type, struct deadline deadline,
                           struct arena *arena, struct dns_answer *answer, struct error *error)
{
    char *plain = arena_copy(arena, net_name_ascii(name, arena));
    size_t length = strlen(plain);
    enum dns_status status = DNS_INVALID;
    bool authentic = true; /* all the way */

    *answer = (struct dns_answer){0};
    if (length > 0 && plain[length - 1] == '.')
        plain[--length] = '\0';
    ascii_lower_string(plain);
    for (int step = 0; step < ALIAS_STEPS && *name != '\0' && length <= NET_HOST_LIMIT; step++) {
        status = lookup_once(dns, plain, type, deadline, arena, answer);
        answer->authentic = authentic = authentic && answer->authentic;
        if (status != DNS_NO_DATA || answer->last_alias == NULL)
            break;
        plain = arena_copy(arena, answer->last_alias);
        ascii_lower_string(plain);
    }
    describe(status, name, type, error);
    return status;
}

static const struct {
    enum dns_type type;
    const char *name;
} type_names[] = {
    {DNS_A, "A"},     {DNS_NS, "NS"},   {DNS_CNAME, "CNAME"}, {DNS_SOA, "SOA"}, {DNS_PTR, "PTR"},
    {DNS_MX, "MX"},   {DNS_TXT, "TXT"}, {DNS_AAAA, "AAAA"},   {DNS_SRV, "SRV"}, {DNS_TLSA, "TLSA"},
};
static const size_t type_count = sizeof type_names / sizeof *type_names;

const char *dns_type_name(enum dns_type type, char buffer[16])
{
    for (size_t i = 0; i < type_count; i++)
        if (type_names[i].type == type)
            return type_names[i].name;
    snprintf(buffer, 16, "TYPE%u", (unsigned)type & 0xffff);
    return buffer;
}

bool dns_type_by_name(const char *name, enum dns_type *type)
{
    for (size_t i = 0; i < type_count; i++)
        if (string_equal_ignore_case(type_names[i].name, name)) {
            *type = type_names[i].type;
            return true;
        }
    return false;
}
