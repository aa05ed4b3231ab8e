/* socketmap:inet:HOST:PORT:NAME, socketmap:unix:PATH:NAME - asks a server: a netstring "NAME KEY", answered by one of "OK TEXT",
 * "NOTFOUND ", "TEMP REASON", "TIMEOUT REASON", "PERM REASON".
 *
 * Within a task only the task waits; a command, which has none, waits itself. A few connections are kept, so that lookups of
 * several tasks do not wait for one another. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/base/clock.h"
#include "util/base/memory.h"
#include "util/net/address.h"
#include "util/table/internal.h"
#include "util/task/offload.h"
#include "util/task/task.h"

enum { REPLY_LIMIT = 100000, LENGTH_DIGITS = 6, KEPT = 4 };
static const duration time_limit = 100 * SECONDS, idle_limit = 10 * SECONDS, age_limit = 100 * SECONDS;

struct connection {
    int fd;
    bool fresh; /* nothing was asked over it yet */
    struct deadline use_until, idle_until;
};

struct socketmap {
    char *copy;             /* of the name; the three below are in it */
    const char *host, *port; /* NULL: a socket in the file system */
    const char *path;
    const char *name;
    struct connection kept[KEPT];
    size_t kept_count;
};

/* ---- its name ---- */

static bool take_name(struct socketmap *map, struct error *error)
{
    char *colon = strrchr(map->copy, ':'), *port;

    if (colon == NULL || colon[1] == '\0' || colon == map->copy)
        return error_set(error, "it is socketmap:inet:host:port:name or socketmap:unix:pathname:name");
    *colon = '\0';
    map->name = colon + 1;
    if (string_starts(map->copy, "unix:") && map->copy[5] != '\0') {
        map->path = map->copy + 5;
        return true;
    }
    port = strrchr(map->copy, ':');
    if (!string_starts(map->copy, "inet:") || port == map->copy + 4 || port[1] == '\0')
        return error_set(error, "\"%s\" is neither inet:host:port nor unix:pathname", map->copy);
    *port = '\0';
    map->port = port + 1;
    map->host = map->copy + 5;
    if (*map->host == '[' && port[-1] == ']') {
        port[-1] = '\0';
        map->host++;
    }
    return true;
}

void *socketmap_open(const struct table_source *source, struct error *error)
{
    struct socketmap *map = memory_new(sizeof *map);

    map->copy = memory_copy_string(source->name);
    if (take_name(map, error))
        return map;
    error_prefix(error, "socketmap:%s: ", source->name);
    socketmap_close(map);
    return NULL;
}

void socketmap_close(void *state)
{
    struct socketmap *map = state;

    while (map->kept_count > 0)
        close(map->kept[--map->kept_count].fd);
    free(map->copy);
    free(map);
}

/* ---- waiting ---- */

/* False: errno. */
static bool wait_for(int fd, bool to_write, struct deadline deadline)
{
    struct pollfd one = {.fd = fd, .events = to_write ? POLLOUT : POLLIN};
    int ready;

    if (task_current() != NULL) {
        enum wait_result result = to_write ? task_wait_writable(fd, deadline) : task_wait_readable(fd, deadline);

        errno = result == WAIT_CANCELLED ? ECANCELED : ETIMEDOUT;
        return result == WAIT_READY;
    }
    do
        ready = poll(&one, 1, (int)(deadline_remaining(deadline) / MILLISECONDS));
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0;
}

/* ---- connecting ---- */

static int connect_to(const struct sockaddr *address, socklen_t length, struct deadline deadline)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), failure = 0;
    socklen_t size = sizeof failure;

    if (fd < 0)
        return -1;
    if (connect(fd, address, length) != 0) {
        failure = errno;
        if (failure == EINPROGRESS)
            failure = !wait_for(fd, true, deadline) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0 ? errno : failure;
    }
    if (failure == 0)
        return fd;
    close(fd);
    errno = failure;
    return -1;
}

struct name_lookup {
    const struct socketmap *map;
    struct addrinfo *found;
    int status;
};

static void look_up_host(void *argument)
{
    struct name_lookup *lookup = argument;
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};

    lookup->status = getaddrinfo(lookup->map->host, lookup->map->port, &wanted, &lookup->found);
}

static int connect_inet(const struct socketmap *map, struct deadline deadline, struct error *error)
{
    struct name_lookup lookup = {.map = map};
    int fd = -1;

    if (task_current() != NULL)
        offload_run(look_up_host, &lookup);
    else
        look_up_host(&lookup);
    if (lookup.status != 0) {
        error_set(error, "host %s, port %s: %s", map->host, map->port, gai_strerror(lookup.status));
        return -1;
    }
    for (const struct addrinfo *at = lookup.found; at != NULL && fd < 0; at = at->ai_next)
        fd = connect_to(at->ai_addr, at->ai_addrlen, deadline);
    if (fd < 0)
        error_set(error, "connect to %s:%s: %s", map->host, map->port, strerror(errno));
    freeaddrinfo(lookup.found);
    return fd;
}

static int connect_unix(const struct socketmap *map, struct deadline deadline, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(map->path) >= sizeof address.sun_path) {
        error_set(error, "connect to %s: the name is too long", map->path);
        return -1;
    }
    strcpy(address.sun_path, map->path);
    fd = connect_to((const struct sockaddr *)&address, sizeof address, deadline);
    if (fd < 0)
        error_set(error, "connect to %s: %s", map->path, strerror(errno));
    return fd;
}

static bool begin(const struct socketmap *map, struct deadline deadline, struct connection *connection, struct error *error)
{
    int fd = map->path != NULL ? connect_unix(map, deadline, error) : connect_inet(map, deadline, error);

    *connection = (struct connection){.fd = fd, .fresh = true, .use_until = deadline_in(age_limit)};
    return fd >= 0;
}

/* One that is kept and still good, or a new one. */
static bool take_connection(struct socketmap *map, struct deadline deadline, struct connection *connection, struct error *error)
{
    while (map->kept_count > 0) {
        *connection = map->kept[--map->kept_count];
        connection->fresh = false;
        if (!deadline_passed(connection->use_until) && !deadline_passed(connection->idle_until))
            return true;
        close(connection->fd);
    }
    return begin(map, deadline, connection, error);
}

static void give_back(struct socketmap *map, struct connection *connection)
{
    if (map->kept_count == KEPT) {
        close(connection->fd);
        return;
    }
    connection->idle_until = deadline_in(idle_limit);
    map->kept[map->kept_count++] = *connection;
}

/* ---- netstrings ---- */

static bool write_all(int fd, const char *bytes, size_t length, struct deadline deadline)
{
    while (length > 0) {
        ssize_t written = send(fd, bytes, length, MSG_NOSIGNAL);

        if (written >= 0) {
            bytes += written;
            length -= (size_t)written;
        } else if (errno != EINTR && (errno != EAGAIN || !wait_for(fd, true, deadline))) {
            return false;
        }
    }
    return true;
}

/* False: errno, 0 for the end. */
static bool read_more(int fd, struct text *text, struct deadline deadline)
{
    char piece[4096];

    for (;;) {
        ssize_t got = recv(fd, piece, sizeof piece, 0);

        if (got > 0) {
            text_append_bytes(text, piece, (size_t)got);
            return true;
        }
        if (got == 0)
            errno = 0;
        if (got == 0 || (errno != EINTR && (errno != EAGAIN || !wait_for(fd, false, deadline))))
            return false;
    }
}

enum netstring { NETSTRING_WHOLE, NETSTRING_PART, NETSTRING_BAD };

/* start and length: of its content. */
static enum netstring find_netstring(const struct text *text, size_t *start, size_t *length)
{
    const char *bytes = text_string(text);
    size_t digits = strspn(bytes, "0123456789");

    if (digits > LENGTH_DIGITS || (digits < text->length && bytes[digits] != ':') || (digits == 0 && text->length > 0))
        return NETSTRING_BAD;
    if (digits == text->length)
        return NETSTRING_PART;
    *start = digits + 1;
    *length = strtoul(bytes, NULL, 10);
    if (*length > REPLY_LIMIT)
        return NETSTRING_BAD;
    if (text->length < *start + *length + 1)
        return NETSTRING_PART;
    /* More than was asked for would be taken for the next answer. */
    return bytes[*start + *length] == ',' && text->length == *start + *length + 1 ? NETSTRING_WHOLE : NETSTRING_BAD;
}

static bool read_reply(int fd, struct text *reply, struct deadline deadline, struct error *error)
{
    struct text text = {0};
    size_t start, length;
    enum netstring state;
    bool alive = true;

    while ((state = find_netstring(&text, &start, &length)) == NETSTRING_PART && alive)
        alive = read_more(fd, &text, deadline);
    if (state == NETSTRING_WHOLE)
        text_append_bytes(reply, text.data + start, length);
    else if (state == NETSTRING_BAD)
        error_set(error, "the server's reply is no netstring of at most %d bytes", REPLY_LIMIT);
    else
        error_set(error, "%s", errno == 0 ? "the server closed the connection" : strerror(errno));
    text_free(&text);
    return state == NETSTRING_WHOLE;
}

/* ---- a lookup ---- */

static bool exchange(struct socketmap *map, struct connection *connection, const char *key, struct text *reply,
                     struct deadline deadline, struct error *error)
{
    struct text request = {0};
    bool sent;

    text_append_format(&request, "%zu:%s %s,", strlen(map->name) + 1 + strlen(key), map->name, key);
    sent = write_all(connection->fd, request.data, request.length, deadline) ||
           error_set(error, "sending the request: %s", strerror(errno));
    text_free(&request);
    if (sent && read_reply(connection->fd, reply, deadline, error)) {
        give_back(map, connection);
        return true;
    }
    close(connection->fd);
    return false;
}

static enum table_result judge(const struct text *reply, struct text *result, struct error *error)
{
    static const struct {
        const char *word, *meaning;
    } failures[] = {{"TEMP ", "temporary"}, {"TIMEOUT ", "timeout"}, {"PERM ", "permanent"}};
    const char *text = text_string(reply);

    if (strlen(text) == reply->length) { /* no NUL in it */
        if (string_starts(text, "OK ")) {
            text_append(result, text + 3);
            return TABLE_FOUND;
        }
        if (string_equal(text, "NOTFOUND") || string_starts(text, "NOTFOUND "))
            return TABLE_NOT_FOUND;
        for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
            if (string_starts(text, failures[i].word)) {
                error_set(error, "socketmap server %s error: %s", failures[i].meaning, text + strlen(failures[i].word));
                return TABLE_ERROR;
            }
    }
    error_set(error, "the server's reply begins with none of OK, NOTFOUND, TEMP, TIMEOUT and PERM: %.100s", text);
    return TABLE_ERROR;
}

enum table_result socketmap_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    struct socketmap *map = state;
    struct deadline deadline = deadline_in(time_limit);
    struct connection connection;
    struct text reply = {0};
    enum table_result answer = TABLE_ERROR;
    bool done = false;

    /* The server may close a connection that was kept at any moment: that alone is no failure. */
    while (!done && take_connection(map, deadline, &connection, error)) {
        text_clear(&reply);
        done = exchange(map, &connection, key, &reply, deadline, error);
        if (!done && (connection.fresh || deadline_passed(deadline)))
            break;
    }
    if (done)
        answer = judge(&reply, result, error);
    text_free(&reply);
    return answer;
}
