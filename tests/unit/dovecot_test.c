/* Dovecot's authentication protocol: its lines, and a server that dies, stalls and lies, in tasks beside the client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mail/sasl/dovecot_connection.h"
#include "mail/sasl/dovecot_line.h"
#include "tests/unit/in_task.h"
#include "util/base/memory.h"
#include "util/task/stream.h"

/* ---- lines ---- */

static void test_words(void **state)
{
    char plain[] = "FAIL\t12\tuser=joe\ttemp\treason=a\001tb\0011c\001n\001r\001x", nothing[] = "", empty[] = "\t\t", many[200];
    struct dovecot_line line;
    unsigned id;

    (void)state;
    dovecot_line_split(plain, &line);
    assert_int_equal(line.count, 5);
    assert_true(dovecot_line_id(&line, &id));
    assert_int_equal(id, 12);
    assert_string_equal(dovecot_line_field(&line, 2, "user"), "joe");
    assert_string_equal(dovecot_line_field(&line, 2, "temp"), "");
    assert_string_equal(dovecot_line_field(&line, 2, "reason"), "a\tb\001c\n\r\001x");
    assert_null(dovecot_line_field(&line, 2, "use"));
    assert_null(dovecot_line_field(&line, 2, "code"));
    assert_null(dovecot_line_field(&line, 3, "user"));
    dovecot_line_split(nothing, &line);
    assert_int_equal(line.count, 1);
    assert_false(dovecot_line_id(&line, &id));
    dovecot_line_split(empty, &line);
    assert_int_equal(line.count, 3);
    memset(many, '\t', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    dovecot_line_split(many, &line);
    assert_int_equal(line.count, DOVECOT_WORD_LIMIT);
}

static bool mechanism(const char *text, struct sasl_offer *offer)
{
    static char copy[200];
    struct dovecot_line line;

    snprintf(copy, sizeof copy, "%s", text);
    dovecot_line_split(copy, &line);
    return dovecot_line_mechanism(&line, offer);
}

static void test_mechanisms(void **state)
{
    struct sasl_offer offer;

    (void)state;
    assert_true(mechanism("MECH\tPLAIN\tplaintext", &offer));
    assert_string_equal(offer.name, "PLAIN");
    assert_int_equal(offer.properties, SASL_PLAINTEXT);
    assert_true(mechanism("MECH\tCRAM-MD5\tdictionary\tactive\tunheard-of", &offer));
    assert_int_equal(offer.properties, SASL_DICTIONARY | SASL_ACTIVE);
    assert_true(mechanism("MECH\tSCRAM-SHA-256\tmutual-auth\tforward-secrecy", &offer));
    assert_int_equal(offer.properties, SASL_MUTUAL_AUTH | SASL_FORWARD_SECRECY);
    assert_true(mechanism("MECH\tANONYMOUS\tanonymous", &offer));
    assert_false(mechanism("MECH\tSECRET\tprivate\tplaintext", &offer));
    assert_false(mechanism("MECH", &offer));
    assert_false(mechanism("MECH\t", &offer));
    assert_false(mechanism("MECH\tA B", &offer));
    assert_false(mechanism("MECH\tX\001nY", &offer));
    assert_false(mechanism("XMECH\tPLAIN", &offer));
}

static void test_fields_are_escaped(void **state)
{
    struct text text = {0};
    struct dovecot_line line;

    (void)state;
    text_append(&text, "AUTH\t1\tPLAIN");
    dovecot_line_append(&text, "local_name", "a\tresp=evil\nAUTH\001\r");
    assert_null(strchr(text.data, '\n'));
    dovecot_line_split(text.data, &line);
    assert_int_equal(line.count, 4);
    assert_string_equal(dovecot_line_field(&line, 3, "local_name"), "a\tresp=evil\nAUTH\001\r");
    text_free(&text);
}

/* ---- a server in a task: says its greeting, then for each request what the test wants ---- */

static const char good_greeting[] = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tx\nDONE\n";

struct server {
    char path[100];
    int listener, connections;
    const char *greeting;
    const char *answer; /* "%u" is the request; NULL: closes; "": says nothing */
    struct task *task;
};

static void serve_one(void *argument)
{
    struct server *server = ((void **)argument)[0];
    struct stream *stream = ((void **)argument)[1];
    struct text line = {0};

    free(argument);
    stream_set_timeout(stream, 10 * SECONDS);
    stream_write(stream, server->greeting, strlen(server->greeting));
    stream_flush(stream);
    while (stream_read_line(stream, &line, 1000, NULL) == STREAM_OK) {
        char answer[200];
        unsigned id;

        if (sscanf(text_string(&line), "AUTH\t%u", &id) != 1)
            continue;
        if (server->answer == NULL)
            break;
        snprintf(answer, sizeof answer, server->answer, id);
        stream_write(stream, answer, strlen(answer));
        stream_flush(stream);
    }
    text_free(&line);
    stream_free(stream);
}

static void serve(void *argument)
{
    struct server *server = argument;

    while (task_wait_readable(server->listener, deadline_never()) == WAIT_READY) {
        void **both = memory_new(2 * sizeof *both);

        server->connections++;
        both[0] = server;
        both[1] = stream_new(accept(server->listener, NULL, NULL));
        task_start(serve_one, both);
    }
    close(server->listener);
}

/* They outlive the test that stops them. */
static struct server servers[20];
static int server_count;

static struct server *start_server(const char *greeting, const char *answer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct server *server = &servers[server_count++];

    *server = (struct server){.greeting = greeting, .answer = answer};
    snprintf(server->path, sizeof server->path, "/tmp/postern-dovecot-test.%ld.%d", (long)getpid(), server_count);
    strcpy(address.sun_path, server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    listen(server->listener, 5);
    server->task = task_start(serve, server);
    return server;
}

static void stop_server(struct server *server)
{
    task_cancel(server->task);
    unlink(server->path);
}

static struct dovecot_connection *open_connection(const struct server *server)
{
    struct error error;
    struct dovecot_connection *connection = dovecot_connection_new(server->path, 200 * MILLISECONDS, &error);

    assert_non_null(connection);
    return connection;
}

/* What the server says to a request, "(lost)", or "(silence)". */
static const char *ask(struct dovecot_connection *connection, char result[100])
{
    struct text line = {0}, answer = {0};
    struct dovecot_request request;
    struct error error;
    bool lost;

    assert_true(dovecot_connection_ready(connection, &error));
    request = dovecot_connection_request(connection);
    text_append_format(&line, "AUTH\t%u\tPLAIN", request.id);
    if (dovecot_connection_ask(connection, request, &line, &answer, &lost))
        snprintf(result, 100, "%s", text_string(&answer));
    else
        snprintf(result, 100, "%s", lost ? "(lost)" : "(silence)");
    text_free(&line);
    text_free(&answer);
    return result;
}

static void run_good(void *unused)
{
    struct server *server;
    struct dovecot_connection *connection;
    char result[100];
    size_t count;

    (void)unused;
    server = start_server(good_greeting, "JUNK\nOK\t99999\tuser=other\n\nOK\t%u\tuser=joe\n");
    connection = open_connection(server);
    assert_string_equal(ask(connection, result), "OK\t1\tuser=joe");
    assert_string_equal(ask(connection, result), "OK\t2\tuser=joe");
    assert_string_equal(dovecot_connection_offers(connection, &count)->name, "PLAIN");
    assert_int_equal(count, 1);
    assert_int_equal(server->connections, 1);
    dovecot_connection_free(connection);
    stop_server(server);
    stop_when_alone(NULL);
}

/* Dies after the request; the next request finds a server again. */
static void run_dying(void *unused)
{
    struct server *server;
    struct dovecot_connection *connection;
    char result[100];

    (void)unused;
    server = start_server(good_greeting, NULL);
    connection = open_connection(server);
    assert_string_equal(ask(connection, result), "(lost)");
    server->answer = "OK\t%u\tuser=joe\n";
    assert_string_equal(ask(connection, result), "OK\t2\tuser=joe");
    assert_int_equal(server->connections, 2);
    server->answer = "OK\n"; /* no number */
    assert_string_equal(ask(connection, result), "(lost)");
    dovecot_connection_free(connection);
    stop_server(server);
    stop_when_alone(NULL);
}

/* Says nothing: the connection is given up, so that the next request may find another server. */
static void run_silent(void *unused)
{
    struct server *server;
    struct dovecot_connection *connection;
    char result[100];

    (void)unused;
    server = start_server(good_greeting, "");
    connection = open_connection(server);
    assert_string_equal(ask(connection, result), "(silence)");
    task_sleep(50 * MILLISECONDS);
    server->answer = "FAIL\t%u\n";
    assert_string_equal(ask(connection, result), "FAIL\t2");
    assert_int_equal(server->connections, 2);
    dovecot_connection_free(connection);
    stop_server(server);
    stop_when_alone(NULL);
}

static void fails_with(const char *greeting, const char *reason)
{
    struct server *server;
    struct dovecot_connection *connection;
    struct error error;

    server = start_server(greeting, "");
    connection = open_connection(server);
    assert_false(dovecot_connection_ready(connection, &error));
    if (strstr(error.text, reason) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", reason, error.text);
    /* Not tried again at once. */
    assert_false(dovecot_connection_ready(connection, &error));
    assert_int_equal(server->connections, 1);
    dovecot_connection_free(connection);
    stop_server(server);
}

static void run_greetings(void *unused)
{
    struct dovecot_connection *connection;
    char endless[3000] = "VERSION\t1\t0\n";
    struct error error;

    (void)unused;
    for (size_t i = strlen(endless); i + 8 < sizeof endless; i += 7)
        strcpy(endless + i, "MECH\tX\n");
    fails_with("VERSION\t2\t0\nMECH\tPLAIN\nDONE\n", "version 2");
    fails_with("MECH\tPLAIN\nDONE\n", "which version");
    fails_with("VERSION\t1\t0\nDONE\n", "auth-master");
    fails_with("VERSION\t1\t0\nMECH\tPLAIN\n", "does not answer");
    fails_with("", "does not answer");
    fails_with(endless, "does not end");
    connection = dovecot_connection_new("/nonexistent/socket", 200 * MILLISECONDS, &error);
    assert_false(dovecot_connection_ready(connection, &error));
    assert_non_null(strstr(error.text, "/nonexistent/socket: No such file"));
    dovecot_connection_free(connection);
    assert_null(dovecot_connection_new("inet:nowhere", SECONDS, &error));
    assert_null(dovecot_connection_new("", SECONDS, &error));
    stop_when_alone(NULL);
}

/* Mechanisms that are said after the end of the greeting, or twice. */
static void run_late_mechanisms(void *unused)
{
    struct server *server;
    struct dovecot_connection *connection;
    struct error error;
    size_t count;

    (void)unused;
    server = start_server("MECH\tA\nVERSION\t1\t9\nMECH\tB\tprivate\nMECH\nDONE\nMECH\tC\n", "OK\t%u\tuser=joe\n");
    connection = open_connection(server);
    assert_true(dovecot_connection_ready(connection, &error));
    task_sleep(20 * MILLISECONDS);
    assert_string_equal(dovecot_connection_offers(connection, &count)[0].name, "A");
    assert_int_equal(count, 1);
    dovecot_connection_free(connection);
    stop_server(server);
    stop_when_alone(NULL);
}

struct crowd {
    struct dovecot_connection *connection;
    int good, running;
};

static void run_member(void *argument)
{
    struct crowd *crowd = argument;
    char result[100];

    if (strncmp(ask(crowd->connection, result), "OK\t", 3) == 0)
        crowd->good++;
    crowd->running--;
}

/* All at once over one connection, made when the first needs it. */
static void run_crowd(void *unused)
{
    struct server *server;
    struct crowd crowd = {.running = 50};

    (void)unused;
    server = start_server(good_greeting, "OK\t%u\tuser=joe\n");
    crowd.connection = open_connection(server);
    for (int i = 0; i < 50; i++)
        task_start(run_member, &crowd);
    while (crowd.running > 0)
        task_sleep(1 * MILLISECONDS);
    assert_int_equal(crowd.good, 50);
    assert_int_equal(server->connections, 1);
    dovecot_connection_free(crowd.connection);
    stop_server(server);
    stop_when_alone(NULL);
}

static void test_connection(void **state)
{
    task_fn *const runs[] = {run_good, run_dying, run_silent, run_greetings, run_late_mechanisms, run_crowd};

    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        run_in_task(runs[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_mechanisms),
        cmocka_unit_test(test_fields_are_escaped),
        cmocka_unit_test(test_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
