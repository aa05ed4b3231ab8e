#include "mail/service/service.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/service/internal.h"
#include "mail/service/protocol.h"
#include "util/base/clock.h"
#include "util/base/memory.h"
#include "util/table/table.h"
#include "util/task/loop.h"

enum { ACCEPTS_A_TURN = 16, DATAGRAMS_A_TURN = 32, DATAGRAM_LIMIT = 65536, TRIGGER_LIMIT = 1024 };

/* The process as a whole: everything that the loop's callbacks need. */
struct server {
    const struct service *service;
    struct service_arguments arguments;
    struct service_environment environment;
    struct loop_watch **listeners; /* one a socket; NULL while not accepting */
    long sessions;                 /* connections being served */
    long served;                   /* since the start */
    bool accepting, finishing;
    struct loop_timer *idle;
    struct loop_timer *table_check;
    int64_t tables_checked; /* when, on the monotonic clock */
    struct loop_timer *watchdog;
    struct channel_group channels;
    struct datagrams *datagrams; /* room for a turn's */
};

struct datagrams {
    struct mmsghdr headers[DATAGRAMS_A_TURN];
    struct iovec parts[DATAGRAMS_A_TURN];
    char bytes[DATAGRAMS_A_TURN][DATAGRAM_LIMIT];
};

struct connection {
    struct server *server;
    struct service_session session;
};

static void say(char what)
{
    (void)!send(SERVICE_CONTROL_FD, &what, 1, MSG_NOSIGNAL);
}

/* ---- accepting, and when to stop ---- */

static void listener_ready(int fd, int events, void *context);

static void set_accepting(struct server *server, bool accept_now)
{
    if (server->accepting == accept_now)
        return;
    server->accepting = accept_now;
    for (int i = 0; i < server->arguments.socket_count; i++) {
        if (accept_now)
            server->listeners[i] = loop_watch_new(SERVICE_FIRST_LISTEN_FD + i, LOOP_READ, listener_ready, server);
        else
            loop_watch_free(server->listeners[i]);
    }
}

/* A socket that master has closed, too, then refuses clients; with one more descriptor of it they would wait for as
 * long as the last session here takes. */
static void close_listeners(struct server *server)
{
    set_accepting(server, false);
    for (int i = 0; i < server->arguments.socket_count; i++)
        close(SERVICE_FIRST_LISTEN_FD + i);
    server->arguments.socket_count = 0;
}

/* An inner service that is the only one of its kind has to hear all its clients: the limit is on what comes from
 * outside. */
static long connection_limit(const struct server *server)
{
    if (server->service->one_channel)
        return 1;
    return server->arguments.only_one && server->service->session == NULL ? LONG_MAX
                                                                          : server->environment.session_limit;
}

/* As many connections as that many single-session processes would serve in their life. */
static bool used_up(const struct server *server)
{
    long limit = connection_limit(server);

    if (server->service->keep_running || server->arguments.only_one || server->environment.mail->max_use <= 0)
        return false;
    return server->served / (limit > 1000 ? 1000 : limit) >= server->environment.mail->max_use;
}

static bool is_busy(struct server *server)
{
    return server->sessions > 0 ||
           (server->service->busy != NULL && server->service->busy(&server->environment));
}

/* After every change in what the process does. */
static void reconsider(struct server *server)
{
    bool room = server->sessions < connection_limit(server);

    if (used_up(server))
        server->finishing = true;
    if (server->finishing)
        channel_group_leave(&server->channels);
    if (server->accepting && (server->finishing || !room)) {
        set_accepting(server, false);
        say(server->finishing ? SERVICE_LEAVING : SERVICE_FULL);
    } else if (!server->accepting && !server->finishing && room) {
        set_accepting(server, true);
        say(SERVICE_OPEN);
    }
    if (server->finishing)
        close_listeners(server);
    if (is_busy(server))
        loop_timer_clear(server->idle);
    else if (server->finishing)
        loop_stop();
    else if (!server->service->keep_running && !server->arguments.only_one)
        loop_timer_set(server->idle, server->environment.mail->max_idle);
}

static void idle_too_long(void *context)
{
    struct server *server = context;

    server->finishing = true;
    reconsider(server);
}

void service_no_longer_busy(struct service_environment *environment)
{
    reconsider((struct server *)(void *)((char *)environment - offsetof(struct server, environment)));
}

/* ---- tables that change ---- */

static const duration table_check_interval = 2 * SECONDS, table_check_pause = 10 * MILLISECONDS;

/* True when a table is not any more what this process has read of it: the process leaves, and master starts
 * another that reads it anew. Those that are there only once stay. */
static bool tables_have_changed(struct server *server)
{
    const char *changed;

    server->tables_checked = clock_monotonic();
    if (server->finishing || server->service->keep_running || server->arguments.only_one)
        return server->finishing;
    changed = table_first_changed();
    if (changed == NULL)
        return false;
    log_info(NULL, "table %s has changed -- restarting", changed);
    server->finishing = true;
    if (server->service->drain != NULL)
        server->service->drain(&server->environment);
    return true;
}

/* Not for each connection of many, but always after a pause. */
static bool tables_have_changed_lately(struct server *server)
{
    return clock_monotonic() - server->tables_checked >= table_check_pause && tables_have_changed(server);
}

static void check_tables(void *context)
{
    struct server *server = context;

    if (tables_have_changed(server))
        reconsider(server);
    else
        loop_timer_set(server->table_check, table_check_interval);
}

/* ---- connections ---- */

static void serve_call(struct call *call, void *context)
{
    struct server *server = context;

    server->service->call(&server->environment, call);
}

static void serve_trigger(struct server *server, struct stream *stream)
{
    const char *requests;
    size_t count;

    while (stream_fill(stream, TRIGGER_LIMIT) == STREAM_OK)
        ;
    requests = stream_buffered(stream, &count);
    if (count > 0)
        server->service->trigger(&server->environment, requests, count < TRIGGER_LIMIT ? count : TRIGGER_LIMIT);
}

/* A channel opens with the word "postern"; a trigger is a few capital letters. */
static void serve_internal(struct server *server, struct stream *stream)
{
    const char *first = NULL;
    size_t length = 0;

    stream_set_timeout(stream, server->environment.mail->ipc_timeout);
    if (server->service->trigger != NULL && stream_fill(stream, TRIGGER_LIMIT) == STREAM_OK)
        first = stream_buffered(stream, &length);
    if (server->service->call == NULL || (length > 0 && *first != 'p')) {
        serve_trigger(server, stream);
        stream_free(stream);
    } else {
        stream_set_timeout(stream, INT64_MAX);
        channel_serve_in(&server->channels, stream, server->service->protocol,
                         server->service->one_channel ? server->environment.session_limit : 0, serve_call, server);
    }
}

static void serve_connection(void *argument)
{
    struct connection *connection = argument;
    struct server *server = connection->server;

    if (server->service->session != NULL) {
        server->service->session(&connection->session);
        stream_free(connection->session.stream);
    } else {
        serve_internal(server, connection->session.stream);
    }
    free(connection);
    server->sessions--;
    reconsider(server);
}

static void take_connection(struct server *server, int fd)
{
    struct connection *connection = memory_new(sizeof *connection);
    socklen_t length = sizeof connection->session.peer;

    connection->server = server;
    connection->session.environment = &server->environment;
    if (strcmp(server->arguments.type, "inet") == 0) {
        if (getpeername(fd, (struct sockaddr *)&connection->session.peer, &length) != 0) {
            close(fd); /* it is gone already */
            free(connection);
            return;
        }
        length = sizeof connection->session.local;
        getsockname(fd, (struct sockaddr *)&connection->session.local, &length);
    }
    connection->session.stream = stream_new(fd);
    server->sessions++;
    server->served++;
    task_start(serve_connection, connection);
}

static void take_datagrams(struct server *server, int fd)
{
    struct datagrams *datagrams = server->datagrams;
    int count;

    for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
        datagrams->parts[i] = (struct iovec){datagrams->bytes[i], DATAGRAM_LIMIT};
        datagrams->headers[i].msg_hdr = (struct msghdr){.msg_iov = &datagrams->parts[i], .msg_iovlen = 1};
    }
    count = recvmmsg(fd, datagrams->headers, DATAGRAMS_A_TURN, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        datagrams->parts[i].iov_len = datagrams->headers[i].msg_len;
    if (count > 0)
        server->service->datagrams(&server->environment, datagrams->parts, (size_t)count);
}

static void take_fifo_triggers(struct server *server, int fd)
{
    char requests[TRIGGER_LIMIT];
    ssize_t count = read(fd, requests, sizeof requests);

    if (count > 0)
        server->service->trigger(&server->environment, requests, (size_t)count);
}

static void listener_ready(int fd, int events, void *context)
{
    struct server *server = context;

    (void)events;
    if (server->service->datagrams != NULL) {
        take_datagrams(server, fd);
        return;
    }
    if (strcmp(server->arguments.type, "fifo") == 0) {
        take_fifo_triggers(server, fd);
        return;
    }
    if (tables_have_changed_lately(server)) {
        reconsider(server);
        return;
    }
    for (int i = 0; i < ACCEPTS_A_TURN && server->sessions < connection_limit(server) && !used_up(server); i++) {
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (connection < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                log_warning(NULL, "accept connection: %s", strerror(errno));
            break;
        }
        take_connection(server, connection);
    }
    reconsider(server);
}

/* ---- what master says ---- */

/* Lines that were sent before the end are written before the end. */
static void take_last_datagrams(struct server *server)
{
    for (int i = 0; server->service->datagrams != NULL && i < server->arguments.socket_count; i++)
        take_datagrams(server, SERVICE_FIRST_LISTEN_FD + i);
}

static void control_ready(int fd, int events, void *context)
{
    struct server *server = context;
    char what;
    ssize_t got = recv(fd, &what, 1, MSG_DONTWAIT);

    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        _exit(0); /* master is gone: nobody may go on without it */
    if (what == MASTER_WAKEUP && server->service->trigger != NULL)
        server->service->trigger(&server->environment, "W", 1);
    if (what == MASTER_DRAIN) {
        take_last_datagrams(server);
        server->finishing = true;
        if (server->service->drain != NULL)
            server->service->drain(&server->environment);
        reconsider(server);
    }
}

/* A loop that does not turn for daemon_timeout is stuck: SIGALRM ends the process, and master starts another. */
static void still_turning(void *context)
{
    struct server *server = context;
    duration limit = server->environment.mail->daemon_timeout;

    alarm((unsigned)(limit / SECONDS) + 1);
    loop_timer_set(server->watchdog, limit / 3);
}

/* ---- start ---- */

static void fail_start(const struct error *error)
{
    die("%s", error->text);
}

static void get_ready(void *argument)
{
    struct server *server = argument;
    struct error error;

    if (server->service->ready != NULL && !server->service->ready(&server->environment, &error))
        fail_start(&error);
    if (!service_enter_sandbox(server->service->sandbox, &error))
        fail_start(&error);
    server->accepting = false;
    set_accepting(server, true);
    say(SERVICE_READY);
    reconsider(server);
}

static void fill_or_die(const struct config *config, const struct parameter_set *set, void *target)
{
    struct error error;

    if (!config_fill(config, set, target, &error))
        fail_start(&error);
}

static void prepare(struct server *server, struct config *config)
{
    const struct service *service = server->service;
    struct mail_config *mail = memory_new(sizeof *mail);
    void *parameters = service->parameters != NULL ? memory_new(service->parameters->size) : NULL;

    fill_or_die(config, &mail_parameters, mail);
    mail_config_open_log(config, mail, server->environment.program);
    if (parameters != NULL)
        fill_or_die(config, service->parameters, parameters);
    server->environment.config = config;
    server->environment.mail = mail;
    server->environment.layout = queue_layout_new(mail);
    server->environment.parameters = parameters;
    server->environment.service_name = server->arguments.name;
    server->environment.chrooted = server->arguments.chroot;
    server->environment.alone = server->arguments.alone;
    server->environment.session_limit =
        server->arguments.session_limit > 0 ? server->arguments.session_limit : LONG_MAX;
    if (chdir(mail->queue_directory) != 0)
        die("queue_directory = %s: %s", mail->queue_directory, strerror(errno));
    server->environment.queue_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* "lmtp" when smtp was started under that name. */
static const char *program_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

int service_main(const struct service *service, int argc, char **argv)
{
    struct server server = {.service = service};
    struct error error;
    struct config *config;

    assert((service->session != NULL) + (service->call != NULL || service->trigger != NULL) +
               (service->datagrams != NULL) == 1);
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    server.environment.program = program_name(argv[0]);
    config = service_read_arguments(service, argc, argv, &server.arguments);
    prepare(&server, config);
    server.listeners = memory_new((size_t)server.arguments.socket_count * sizeof(struct loop_watch *));
    server.datagrams = service->datagrams != NULL ? memory_new(sizeof *server.datagrams) : NULL;
    loop_start();
    channel_group_init(&server.channels);
    if (service->start != NULL && !service->start(&server.environment, &error))
        fail_start(&error);
    if (server.arguments.alone)
        service_run_alone(service, &server.environment);
    if (!service_drop_privileges(&server.arguments, server.environment.mail, &error))
        fail_start(&error);
    server.idle = loop_timer_new(idle_too_long, &server);
    server.table_check = loop_timer_new(check_tables, &server);
    loop_timer_set(server.table_check, table_check_interval);
    server.watchdog = loop_timer_new(still_turning, &server);
    still_turning(&server);
    loop_watch_new(SERVICE_CONTROL_FD, LOOP_READ, control_ready, &server);
    task_start(get_ready, &server);
    loop_run();
    exit(0);
}
