/* echo - a service for tests of master: says who it is, and does what it is told, line by line.
 *
 *     exit N, abort, hang    ends or stops the whole process
 *     sleep N                seconds, in this session alone
 *     get NAME               the value of a parameter
 *     anything else          comes back
 *
 * With -o echo_fails=yes it does not start. As a trigger service (the program's name is echo-trigger) it logs
 * what it is woken with. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/service/service.h"
#include "util/base/text.h"

static bool echo_start(struct service_environment *environment, struct error *error)
{
    const char *fails = config_get_raw(environment->config, "echo_fails");

    if (fails != NULL && string_equal(fails, "yes"))
        return error_set(error, "echo_fails = yes");
    return true;
}

static void obey(struct service_session *session, const char *line)
{
    const char *value;

    if (string_starts(line, "exit "))
        exit(atoi(line + 5));
    if (string_equal(line, "abort"))
        abort();
    if (string_equal(line, "hang"))
        for (;;)
            pause();
    if (string_starts(line, "sleep "))
        task_sleep(atoi(line + 6) * SECONDS);
    if (string_starts(line, "get ")) {
        value = config_get(session->environment->config, line + 4);
        line = value == NULL ? "" : value;
    }
    stream_print(session->stream, "%s\n", line);
    stream_flush(session->stream);
}

static void echo_session(struct service_session *session)
{
    const struct service_environment *environment = session->environment;
    struct text line = {0};

    stream_set_timeout(session->stream, 60 * SECONDS);
    stream_print(session->stream, "pid=%ld uid=%ld name=%s limit=%ld stress=%s\n", (long)getpid(), (long)geteuid(),
                 environment->service_name, environment->session_limit, environment->mail->stress);
    stream_flush(session->stream);
    while (stream_read_line(session->stream, &line, 1000, NULL) == STREAM_OK)
        obey(session, text_string(&line));
    text_free(&line);
}

static void echo_trigger(struct service_environment *environment, const char *requests, size_t count)
{
    log_info(NULL, "%s: woken with %.*s", environment->service_name, (int)count, requests);
}

static const struct service echo = {.name = "echo", .start = echo_start, .session = echo_session};
static const struct service echo_woken = {.name = "echo-trigger", .start = echo_start, .trigger = echo_trigger};

int main(int argc, char **argv)
{
    return service_main(string_ends(argv[0], "echo-trigger") ? &echo_woken : &echo, argc, argv);
}
