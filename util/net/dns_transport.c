#include "util/net/dns_transport.h"

#include <ares.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>

#include "util/base/list.h"
#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/task/loop.h"

enum { CLASS_IN = 1, FLAGS_LOW_BYTE = 3, FLAG_AUTHENTIC_DATA = 0x20 };

/* A socket that c-ares has open. */
struct server_socket {
    struct link link;
    struct dns_transport *transport;
    int fd;
    struct loop_watch *watch;
};

struct dns_transport {
    ares_channel channel;
    struct list sockets;
    struct loop_timer *timer;
    size_t open_questions;
    bool retired;
};

struct question {
    struct dns_transport *transport;
    dns_reply_fn *reply;
    void *context;
};

/* c-ares must be asked again when its next time-out comes, and may be freed only outside its callbacks. */
static void arm_timer(struct dns_transport *transport)
{
    struct timeval next;

    if (transport->retired && transport->open_questions == 0)
        loop_timer_set(transport->timer, 0);
    else if (ares_timeout(transport->channel, NULL, &next) != NULL)
        loop_timer_set(transport->timer, next.tv_sec * SECONDS + next.tv_usec + MILLISECONDS);
    else
        loop_timer_clear(transport->timer);
}

static void on_timer(void *context)
{
    struct dns_transport *transport = context;

    if (transport->retired && transport->open_questions == 0) {
        dns_transport_free(transport);
        return;
    }
    ares_process_fd(transport->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(transport);
}

static void on_socket_ready(int fd, int events, void *context)
{
    struct dns_transport *transport = context;

    ares_process_fd(transport->channel, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
                    events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
    arm_timer(transport);
}

static struct server_socket *find_socket(struct dns_transport *transport, int fd)
{
    list_each(cursor, next, &transport->sockets) {
        struct server_socket *found = list_entry(cursor, struct server_socket, link);

        if (found->fd == fd)
            return found;
    }
    return NULL;
}

static void forget_socket(struct dns_transport *transport, struct server_socket *found)
{
    loop_watch_free(found->watch);
    list_remove(&transport->sockets, &found->link);
    free(found);
}

/* c-ares says what it waits for on a socket. */
static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns_transport *transport = context;
    struct server_socket *found = find_socket(transport, fd);
    int events = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);

    if (found != NULL)
        forget_socket(transport, found);
    if (events == 0)
        return;
    found = memory_new(sizeof *found);
    *found = (struct server_socket){.transport = transport, .fd = fd};
    found->watch = loop_watch_new(fd, events, on_socket_ready, transport);
    list_append(&transport->sockets, &found->link);
}

/* c-ares wants no blanks between the servers. */
static char *without_blanks(const char *servers)
{
    char *copy = memory_copy_string(servers), *end = copy;

    for (const char *c = servers; *c != '\0'; c++)
        if (!ascii_is_space(*c))
            *end++ = *c;
    *end = '\0';
    return copy;
}

static bool set_servers(struct dns_transport *transport, const char *servers, struct error *error)
{
    char *plain = without_blanks(servers);
    int result = *plain != '\0' ? ares_set_servers_ports_csv(transport->channel, plain) : ARES_SUCCESS;

    free(plain);
    if (result != ARES_SUCCESS)
        return error_set(error, "bad list of name servers \"%s\": %s", servers, ares_strerror(result));
    return true;
}

struct dns_transport *dns_transport_new(const char *servers, struct error *error)
{
    struct dns_transport *transport = memory_new(sizeof *transport);
    char lookups[] = "b";
    struct ares_options options = {.sock_state_cb = on_socket_state, .sock_state_cb_data = transport,
                                   .lookups = lookups};
    int result = ares_library_init(ARES_LIB_INIT_ALL);

    list_init(&transport->sockets);
    if (result == ARES_SUCCESS)
        result = ares_init_options(&transport->channel, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS);
    if (result != ARES_SUCCESS) {
        error_set(error, "DNS resolver: %s", ares_strerror(result));
        free(transport);
        return NULL;
    }
    transport->timer = loop_timer_new(on_timer, transport);
    if (servers == NULL || set_servers(transport, servers, error))
        return transport;
    dns_transport_free(transport);
    return NULL;
}

void dns_transport_free(struct dns_transport *transport)
{
    ares_destroy(transport->channel);
    list_each(cursor, next, &transport->sockets)
        forget_socket(transport, list_entry(cursor, struct server_socket, link));
    loop_timer_free(transport->timer);
    free(transport);
    ares_library_cleanup();
}

void dns_transport_retire(struct dns_transport *transport)
{
    transport->retired = true;
    arm_timer(transport);
}

static enum dns_status read_status(int result)
{
    switch (result) {
    case ARES_SUCCESS:
        return DNS_OK;
    case ARES_EBADNAME:
    case ARES_EFORMERR:
    case ARES_EBADRESP:
        return DNS_INVALID;
    default:
        return DNS_TRY_AGAIN;
    }
}

static void on_reply(void *context, int result, int timeouts, unsigned char *reply, int length)
{
    struct question *question = context;

    (void)timeouts;
    question->transport->open_questions--;
    question->reply(question->context, read_status(result), result == ARES_SUCCESS ? reply : NULL,
                    result == ARES_SUCCESS && length > 0 ? (size_t)length : 0);
    free(question);
}

void dns_transport_ask(struct dns_transport *transport, const char *name, enum dns_type type, dns_reply_fn *reply,
                       void *context)
{
    struct question *question;
    unsigned char *packet;
    uint16_t id = 0;
    int length, result;

    /* ares_send takes the question as it is: its number must not be guessable. */
    (void)!getrandom(&id, sizeof id, 0);
    result = ares_create_query(name, CLASS_IN, (int)type, id, 1, &packet, &length, 0);
    if (result != ARES_SUCCESS) {
        reply(context, read_status(result), NULL, 0);
        return;
    }
    packet[FLAGS_LOW_BYTE] |= FLAG_AUTHENTIC_DATA; /* RFC 6840 section 5.7: tell us whether it is authentic */
    question = memory_new(sizeof *question);
    *question = (struct question){.transport = transport, .reply = reply, .context = context};
    transport->open_questions++;
    ares_send(transport->channel, packet, length, on_reply, question);
    ares_free_string(packet);
    arm_timer(transport);
}
