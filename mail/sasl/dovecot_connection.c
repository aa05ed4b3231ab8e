#include "mail/sasl/dovecot_connection.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/base/list.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/offload.h"
#include "util/task/stream.h"

enum { LINE_LIMIT = 64 * 1024, GREETING_LINES = 200, MECHANISM_COUNT = 50 };

#define PAUSE_AFTER_FAILURE (1 * SECONDS)

struct dovecot_connection {
    char *path;
    bool network;
    struct net_endpoint endpoint;
    duration timeout;

    struct stream *stream; /* NULL: not connected */
    bool knows_cancel;     /* version 1.1 of the protocol and later */
    struct task *reader;
    long connected;        /* how often */
    unsigned last_id;
    struct list waiting;   /* struct waiter */
    int64_t last_heard;    /* on the monotonic clock */

    bool connecting;
    struct task_condition tried; /* to connect */
    struct error failure;        /* of the last try */
    int64_t failed;              /* when; 0: it did not */

    struct sasl_offer offers[MECHANISM_COUNT];
    size_t offer_count;
};

struct waiter {
    struct link link;
    unsigned id;
    struct text *answer;
    bool answered, lost;
    struct task_condition condition;
};

struct dovecot_connection *dovecot_connection_new(const char *path, duration timeout, struct error *error)
{
    struct dovecot_connection *connection = memory_new(sizeof *connection);

    connection->network = string_starts(path, "inet:");
    if (connection->network || string_starts(path, "unix:"))
        path += strlen("inet:");
    if (*path == '\0' || (connection->network && (strrchr(path, ':') == NULL ||
                                                  !net_endpoint_parse(path, "", &connection->endpoint, error)))) {
        error_set(error, "\"%s\": it has to be a socket's path, or inet:host:port", path);
        free(connection);
        return NULL;
    }
    connection->path = memory_copy_string(path);
    connection->timeout = timeout;
    list_init(&connection->waiting);
    task_condition_init(&connection->tried);
    return connection;
}

/* ---- connecting ---- */

struct host_call {
    const char *host;
    struct addrinfo *found;
    int result;
};

static void find_host(void *argument)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct host_call *call = argument;

    call->result = getaddrinfo(call->host, NULL, &hints, &call->found);
}

static int connect_network(const struct net_endpoint *endpoint, struct deadline deadline, struct error *error)
{
    struct host_call call = {.host = endpoint->host};
    int fd = -1;

    offload_run(find_host, &call);
    if (call.result != 0) {
        error_set(error, "%s: %s", endpoint->host, gai_strerror(call.result));
        return -1;
    }
    for (struct addrinfo *item = call.found; item != NULL && fd < 0; item = item->ai_next) {
        struct net_address address = net_address_from_socket(item->ai_addr, item->ai_addrlen);

        net_address_set_port(&address, endpoint->port);
        fd = stream_connect((const struct sockaddr *)&address.storage, address.length, NULL, 0, deadline);
    }
    freeaddrinfo(call.found);
    if (fd < 0)
        error_set(error, "%s:%u: %s", endpoint->host, endpoint->port, strerror(errno));
    return fd;
}

static int connect_to(const struct dovecot_connection *connection, struct deadline deadline, struct error *error)
{
    int fd;

    if (connection->network)
        return connect_network(&connection->endpoint, deadline, error);
    fd = stream_connect_unix(connection->path, deadline);
    if (fd < 0)
        error_set(error, "%s: %s", connection->path, strerror(errno));
    return fd;
}

/* ---- the greeting ---- */

static void forget_offers(struct dovecot_connection *connection)
{
    while (connection->offer_count > 0)
        free((char *)connection->offers[--connection->offer_count].name);
}

static void take_offer(struct dovecot_connection *connection, const struct dovecot_line *line)
{
    struct sasl_offer offer;

    if (connection->offer_count == MECHANISM_COUNT || !dovecot_line_mechanism(line, &offer))
        return;
    offer.name = memory_copy_string(offer.name);
    connection->offers[connection->offer_count++] = offer;
}

/* One line of it. *done: the last. */
static bool take_greeting_line(struct dovecot_connection *connection, const struct dovecot_line *line, bool *version,
                               bool *mechanism, bool *done, struct error *error)
{
    if (strcmp(line->words[0], "VERSION") == 0) {
        *version = line->count > 1 && strcmp(line->words[1], "1") == 0;
        connection->knows_cancel = line->count > 2 && strtol(line->words[2], NULL, 10) >= 1;
        return *version || error_set(error, "it speaks version %s of the protocol, not 1",
                                     line->count > 1 ? line->words[1] : "(none)");
    }
    if (strcmp(line->words[0], "MECH") == 0) {
        *mechanism = true;
        take_offer(connection, line);
    }
    *done = strcmp(line->words[0], "DONE") == 0;
    if (*done && !*version)
        return error_set(error, "it does not say which version of the protocol it speaks");
    if (*done && !*mechanism)
        return error_set(error, "it offers no mechanisms: is this the socket of auth-master in place of auth-client?");
    return true;
}

static bool take_greeting(struct dovecot_connection *connection, struct stream *stream, struct error *error)
{
    bool version = false, mechanism = false, done = false, good = true;
    struct text line = {0};
    struct dovecot_line words;

    for (int i = 0; good && !done && i < GREETING_LINES; i++) {
        good = stream_read_line(stream, &line, LINE_LIMIT, NULL) == STREAM_OK;
        if (!good) {
            error_set(error, stream_status(stream) == STREAM_TIMEOUT ? "it does not answer"
                                                                     : "the connection was lost during the handshake");
            break;
        }
        text_reserve(&line, 0);
        dovecot_line_split(line.data, &words);
        good = take_greeting_line(connection, &words, &version, &mechanism, &done, error);
    }
    text_free(&line);
    if (good && !done)
        return error_set(error, "its greeting does not end");
    return good;
}

/* ---- what it says afterwards ---- */

static void take_answer(struct dovecot_connection *connection, const struct text *line)
{
    char *copy = memory_copy_bytes(line->data, line->length);
    struct dovecot_line words;
    unsigned id;

    dovecot_line_split(copy, &words);
    if (dovecot_line_id(&words, &id))
        list_each (link, following, &connection->waiting) {
            struct waiter *waiter = list_entry(link, struct waiter, link);

            if (waiter->id != id || waiter->answered)
                continue;
            text_append_bytes(waiter->answer, line->data, line->length);
            waiter->answered = true;
            task_condition_wake_all(&waiter->condition);
        }
    explicit_bzero(copy, line->length);
    free(copy);
}

/* OK, FAIL and CONT need a number: a server that leaves it out leaves somebody waiting. */
static bool is_protocol_error(const struct text *text)
{
    const char *line = text_string(text);

    return strcmp(line, "OK") == 0 || strcmp(line, "FAIL") == 0 || strcmp(line, "CONT") == 0;
}

static void lose(struct dovecot_connection *connection)
{
    stream_free(connection->stream);
    connection->stream = NULL;
    connection->reader = NULL;
    list_each (link, following, &connection->waiting) {
        struct waiter *waiter = list_entry(link, struct waiter, link);

        waiter->lost = true;
        task_condition_wake_all(&waiter->condition);
    }
}

static void run_reader(void *argument)
{
    struct dovecot_connection *connection = argument;
    struct text line = {0};
    enum stream_status status;

    stream_set_timeout(connection->stream, INT64_MAX);
    while ((status = stream_read_line(connection->stream, &line, LINE_LIMIT, NULL)) == STREAM_OK) {
        connection->last_heard = clock_monotonic();
        if (is_protocol_error(&line)) {
            log_warning(NULL, "SASL: %s: protocol error", connection->path);
            break;
        }
        if (line.length > 0)
            take_answer(connection, &line);
    }
    if (status == STREAM_TOO_LONG)
        log_warning(NULL, "SASL: %s: a line of more than %d bytes", connection->path, LINE_LIMIT);
    text_wipe(&line);
    lose(connection);
}

/* ---- being ready ---- */

static bool try_to_connect(struct dovecot_connection *connection, struct error *error)
{
    struct deadline deadline = deadline_in(connection->timeout);
    int fd = connect_to(connection, deadline, error);
    struct stream *stream;

    if (fd < 0)
        return false;
    stream = stream_new(fd);
    stream_set_deadline(stream, deadline);
    forget_offers(connection);
    stream_print(stream, "VERSION\t1\t1\nCPID\t%ld\n", (long)getpid());
    stream_flush(stream); /* the greeting tells whether it went well */
    if (!take_greeting(connection, stream, error)) {
        stream_free(stream);
        return error_prefix(error, "%s: ", connection->path);
    }
    stream_set_deadline(stream, deadline_never());
    connection->stream = stream;
    connection->connected++;
    connection->reader = task_start(run_reader, connection);
    return true;
}

bool dovecot_connection_ready(struct dovecot_connection *connection, struct error *error)
{
    bool waited = false, good;

    while (connection->connecting) {
        waited = true;
        if (task_condition_wait(&connection->tried, deadline_never()) == WAIT_CANCELLED)
            return error_set(error, "the session has ended");
    }
    if (connection->stream != NULL)
        return true;
    if (connection->failed != 0 && (waited || clock_monotonic() - connection->failed < PAUSE_AFTER_FAILURE)) {
        *error = connection->failure;
        return false;
    }
    connection->connecting = true;
    good = try_to_connect(connection, error);
    connection->connecting = false;
    connection->failed = good || task_cancelled() ? 0 : clock_monotonic();
    if (!good)
        connection->failure = *error;
    if (connection->failed != 0)
        log_warning(NULL, "SASL: cannot connect to the login server %s", error->text);
    task_condition_wake_all(&connection->tried);
    return good;
}

const struct sasl_offer *dovecot_connection_offers(const struct dovecot_connection *connection, size_t *count)
{
    *count = connection->offer_count;
    return connection->offers;
}

/* ---- requests ---- */

struct dovecot_request dovecot_connection_request(struct dovecot_connection *connection)
{
    connection->last_id = connection->last_id % 999999999 + 1;
    return (struct dovecot_request){.id = connection->last_id, .connected = connection->connected};
}

/* False: this is not the connection any more that the request was made over, or it does not take it. The line goes
 * out at once, past the stream's buffers, where a password would stay. */
static bool send_line(struct dovecot_connection *connection, long connected, struct text *line)
{
    ssize_t sent;

    if (connection->stream == NULL || connection->connected != connected)
        return false;
    text_append_char(line, '\n');
    sent = send(stream_fd(connection->stream), line->data, line->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == (ssize_t)line->length)
        return true;
    /* It has not read for so long that the connection is full. */
    shutdown(stream_fd(connection->stream), SHUT_RDWR);
    return false;
}

/* A server from which nothing at all is heard is cut off, so that the next request finds another. */
static void give_up(struct dovecot_connection *connection, int64_t since)
{
    if (connection->stream != NULL && connection->last_heard < since)
        shutdown(stream_fd(connection->stream), SHUT_RDWR);
}

bool dovecot_connection_ask(struct dovecot_connection *connection, struct dovecot_request request, struct text *line,
                            struct text *answer, bool *lost)
{
    struct waiter waiter = {.id = request.id, .answer = answer};
    struct deadline deadline = deadline_in(connection->timeout);
    int64_t since = clock_monotonic();

    text_clear(answer);
    task_condition_init(&waiter.condition);
    list_append(&connection->waiting, &waiter.link);
    waiter.lost = !send_line(connection, request.connected, line);
    while (!waiter.answered && !waiter.lost)
        if (task_condition_wait(&waiter.condition, deadline) != WAIT_READY)
            break;
    list_remove(&connection->waiting, &waiter.link);
    if (!waiter.answered && !waiter.lost && !task_cancelled())
        give_up(connection, since);
    *lost = waiter.lost;
    return waiter.answered;
}

void dovecot_connection_forget(struct dovecot_connection *connection, struct dovecot_request request)
{
    struct text line = {0};

    if (!connection->knows_cancel)
        return;
    text_append_format(&line, "CANCEL\t%u", request.id);
    send_line(connection, request.connected, &line);
    text_free(&line);
}

void dovecot_connection_free(struct dovecot_connection *connection)
{
    if (connection->reader != NULL)
        task_cancel(connection->reader);
    while (connection->reader != NULL)
        task_yield();
    forget_offers(connection);
    free(connection->path);
    free(connection);
}
