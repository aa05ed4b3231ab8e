/* Names of clients, and lookups by the system's own means. */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "util/base/text.h"
#include "util/net/dns.h"
#include "util/task/offload.h"

const char *dns_reverse_name(const struct net_address *address, const char *suffix, struct arena *arena)
{
    struct net_address plain = net_address_unmapped(address);
    size_t length;
    const unsigned char *bytes = net_address_bytes(&plain, &length);
    char name[80] = "", *end = name;

    for (size_t i = length; i-- > 0;) {
        if (length == 4)
            end += sprintf(end, "%u.", bytes[i]);
        else
            end += sprintf(end, "%x.%x.", bytes[i] & 0x0fu, (unsigned)bytes[i] >> 4);
    }
    if (suffix == NULL)
        suffix = length == 4 ? "in-addr.arpa" : "ip6.arpa";
    return arena_format(arena, "%s%s", name, suffix);
}

/* What runs in the worker thread. */
struct native_forward {
    const char *name;
    int family;
    struct addrinfo *found;
    int result;
};

static void run_forward(void *argument)
{
    struct native_forward *call = argument;
    struct addrinfo hints = {.ai_family = call->family, .ai_socktype = SOCK_STREAM};

    call->result = getaddrinfo(call->name, NULL, &hints, &call->found);
}

static void take_addresses(const struct addrinfo *found, const char *name, struct arena *arena,
                           struct dns_answer *answer)
{
    size_t count = 0;

    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        count++;
    answer->records = arena_alloc(arena, (count + 1) * sizeof *answer->records);
    answer->canonical = arena_copy(arena, name);
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
            continue;
        answer->records[answer->count++] = (struct dns_record){
            .type = at->ai_family == AF_INET ? DNS_A : DNS_AAAA,
            .owner = answer->canonical,
            .address = net_address_from_socket(at->ai_addr, at->ai_addrlen),
        };
    }
}

enum dns_status dns_lookup_native(const char *name, int family, struct arena *arena, struct dns_answer *answer,
                                  struct error *error)
{
    struct native_forward call = {.name = name, .family = family};

    *answer = (struct dns_answer){0};
    offload_run(run_forward, &call);
    if (call.result == 0) {
        take_addresses(call.found, name, arena, answer);
        freeaddrinfo(call.found);
        return answer->count > 0 ? DNS_OK : DNS_NO_DATA;
    }
    if (error != NULL)
        error_set(error, "unable to look up host %s: %s", name, gai_strerror(call.result));
    if (call.result == EAI_NONAME)
        return DNS_NOT_FOUND;
    return call.result == EAI_NODATA ? DNS_NO_DATA : DNS_TRY_AGAIN;
}

/* ---- the hosts file, which every system has and reads first ---- */
struct hosts_question {
    const struct net_address *address; /* whose name is wanted */
    char name[NET_HOST_LIMIT + 1];
    bool found;
};

static bool find_in_hosts(struct hosts_question *question)
{
    char line[2048], *cursor, *word;
    FILE *file = fopen("/etc/hosts", "re");
    struct net_address address;

    while (file != NULL && !question->found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "#\n")] = '\0';
        cursor = line;
        word = string_next_word(&cursor, " \t\r");
        if (word == NULL || !net_address_parse(word, &address) || !net_address_equal(&address, question->address))
            continue;
        word = string_next_word(&cursor, " \t\r");
        question->found = word != NULL && net_hostname_valid(word);
        if (question->found)
            snprintf(question->name, sizeof question->name, "%s", word);
    }
    if (file != NULL)
        fclose(file);
    return question->found;
}

/* ---- the client ---- */
static enum dns_status find_reverse_name(struct dns *dns, const struct net_address *address, struct deadline deadline,
                                         struct arena *arena, struct dns_client_name *client)
{
    struct dns_answer answer;
    enum dns_status status =
        dns_lookup(dns, dns_reverse_name(address, NULL, arena), DNS_PTR, deadline, arena, &answer, NULL);

    if (status == DNS_OK)
        client->reverse_name = answer.records[0].name;
    return status;
}

/* Does the name lead back to the address? */
static enum dns_status confirm_name(struct dns *dns, const struct net_address *address, struct deadline deadline,
                                    struct arena *arena, struct dns_client_name *client)
{
    enum dns_type type = net_address_family(address) == AF_INET ? DNS_A : DNS_AAAA;
    struct dns_answer answer;
    enum dns_status status = dns_lookup(dns, client->reverse_name, type, deadline, arena, &answer, NULL);

    if (status != DNS_OK)
        return status;
    for (size_t i = 0; i < answer.count; i++)
        if (net_address_equal(&answer.records[i].address, address))
            return DNS_OK;
    client->mismatch = true;
    return DNS_NOT_FOUND;
}

void dns_client_lookup(struct dns *dns, const struct net_address *address, struct deadline deadline,
                       struct arena *arena, struct dns_client_name *client)
{
    struct net_address plain = net_address_unmapped(address);
    struct hosts_question question = {.address = &plain};

    *client = (struct dns_client_name){.name = "unknown", .reverse_name = "unknown", .status = DNS_NOT_FOUND,
                                       .reverse_status = DNS_NOT_FOUND};
    if (net_address_family(&plain) == AF_UNSPEC)
        return;
    if (find_in_hosts(&question)) {
        client->name = client->reverse_name = arena_copy(arena, question.name);
        client->status = client->reverse_status = DNS_OK;
        return;
    }
    client->status = client->reverse_status = find_reverse_name(dns, &plain, deadline, arena, client);
    if (client->reverse_status != DNS_OK)
        return;
    client->status = confirm_name(dns, &plain, deadline, arena, client);
    if (client->status == DNS_OK)
        client->name = client->reverse_name;
}
