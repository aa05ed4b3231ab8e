/* The lines that reach postlogd's socket. */
#include "util/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct reader {
    char directory[32];
    struct sockaddr_un address;
    int fd;
    char line[LOG_LINE_LIMIT + 500];
};

static int begin(void **state)
{
    struct reader *reader = calloc(1, sizeof *reader);

    strcpy(reader->directory, "/tmp/log-test.XXXXXX");
    assert_non_null(mkdtemp(reader->directory));
    reader->address.sun_family = AF_UNIX;
    snprintf(reader->address.sun_path, sizeof reader->address.sun_path, "%s/log", reader->directory);
    reader->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(reader->fd, (struct sockaddr *)&reader->address, sizeof reader->address), 0);
    log_open(&(struct log_settings){.tag = "postfix/test", .target = LOG_TARGET_SOCKET,
                                    .socket_path = reader->address.sun_path});
    *state = reader;
    return 0;
}

static int end(void **state)
{
    struct reader *reader = *state;

    log_open(&(struct log_settings){.tag = "test", .target = LOG_TARGET_STDERR});
    close(reader->fd);
    unlink(reader->address.sun_path);
    rmdir(reader->directory);
    free(reader);
    return 0;
}

/* What the next line says behind its host name. */
static const char *next_line(struct reader *reader)
{
    ssize_t length = recv(reader->fd, reader->line, sizeof reader->line - 1, MSG_DONTWAIT);
    const char *tag;

    assert_true(length > 0);
    reader->line[length] = '\0';
    tag = strstr(reader->line, "postfix/test[");
    assert_non_null(tag);
    return tag;
}

static void expect_line(struct reader *reader, pid_t process, const char *text)
{
    char wanted[LOG_LINE_LIMIT + 200];

    snprintf(wanted, sizeof wanted, "postfix/test[%ld]: %s", (long)process, text);
    assert_string_equal(next_line(reader), wanted);
}

static void test_line(void **state)
{
    const struct log_context context = {"3F2A1B4C5D"};

    log_info(&context, "to=<%s>, status=%s", "someone@example.com", "sent");
    expect_line(*state, getpid(), "3F2A1B4C5D: to=<someone@example.com>, status=sent");
    log_warning(NULL, "number %d", 7);
    expect_line(*state, getpid(), "warning: number 7");
}

static void test_masked(void **state)
{
    log_info(NULL, "%s", "tab\there, and a line\nthere");
    expect_line(*state, getpid(), "tab?here, and a line?there");
    log_info(NULL, "%s", "valid \xc3\xa9\t");
    expect_line(*state, getpid(), "valid \xc3\xa9?");
    log_info(NULL, "%s", "invalid \xc3 \xc3\xa9");
    expect_line(*state, getpid(), "invalid ? ??");
}

static void test_cut(void **state)
{
    const struct log_context context = {"ID"};
    char text[2 * LOG_LINE_LIMIT], wanted[LOG_LINE_LIMIT] = "ID: ";

    memset(text, 'x', sizeof text);
    memset(wanted + 4, 'x', sizeof wanted - 5);
    wanted[sizeof wanted - 1] = '\0';
    log_info(&context, "%.*s", (int)sizeof text, text);
    expect_line(*state, getpid(), wanted);
}

/* The number in the line is that of the process that speaks. */
static void test_child(void **state)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        log_info(NULL, "from the child");
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    expect_line(*state, child, "from the child");
    log_info(NULL, "from the parent");
    expect_line(*state, getpid(), "from the parent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, begin, end),
        cmocka_unit_test_setup_teardown(test_masked, begin, end),
        cmocka_unit_test_setup_teardown(test_cut, begin, end),
        cmocka_unit_test_setup_teardown(test_child, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
