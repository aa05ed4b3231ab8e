/* The line that is logged for each recipient. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "mail/delivery/delivery.h"

static void assert_delay(const char *expected, duration delay, long digits)
{
    struct text out = {0};

    delivery_delay_print(delay, digits, &out);
    assert_string_equal(text_string(&out), expected);
    text_free(&out);
}

static void test_delays(void **state)
{
    (void)state;
    assert_delay("0", 0, 2);
    assert_delay("0", -5, 2);
    assert_delay("0", 4999, 2);
    assert_delay("0.01", 5000, 2);
    assert_delay("0.12", 123456, 2);
    assert_delay("0.1", 100000, 2);
    assert_delay("1.2", 1234567, 2);
    assert_delay("1", 1000000, 2);
    assert_delay("10", 9990000, 2);
    assert_delay("12", 12345678, 2);
    assert_delay("123", 123400000, 2);
    assert_delay("123457", INT64_C(123456700000), 2);
    assert_delay("0.0012", 1234, 6);
    assert_delay("0.000012", 12, 6);
    assert_delay("2", 1500000, 0);
    assert_delay("0.05", 50100, 6);
    assert_delay("10", 10040000, 6);
}

/* A sink gets no context: what was logged last is kept here. */
static char logged[LOG_LINE_LIMIT + 100];

static void keep_line(enum log_level level, const char *line)
{
    (void)level;
    strncpy(logged, line, sizeof logged - 1);
}

static const char *log_one(const struct message_recipient *recipient, const struct delivery_result *result,
                           int64_t connected, const char *format)
{
    struct mail_config mail = {.info_log_address_format = format, .delay_logging_resolution_limit = 2};
    struct delivery_times times = {.begun = 3 * SECONDS, .connected = connected, .settled = 6 * SECONDS};

    delivery_log_line("3F2A", recipient, 1 * SECONDS, 2500000, &times, result, "sent", &mail);
    return strstr(logged, "3F2A");
}

static void test_lines(void **state)
{
    struct message_recipient plain = {.address = "a b@example.com", .original = "a b@Example.COM"};
    struct message_recipient other = {.address = "b@example.com", .original = "info@example.com"};
    struct delivery_result result = {.dsn = "2.0.0", .reason = "250 OK"};

    (void)state;
    log_open(&(struct log_settings){.tag = "test", .target = LOG_TARGET_SOCKET, .socket_path = "/nonexistent"});
    log_set_sink(keep_line);
    assert_string_equal(log_one(&plain, &result, 0, "external"),
                        "3F2A: to=<\"a b\"@example.com>, relay=none, delay=5, delays=1.5/0.5/0/3, dsn=2.0.0, "
                        "status=sent (250 OK)");
    result.relay = "mx[192.0.2.1]:25";
    result.connection_uses = 3;
    assert_string_equal(log_one(&other, &result, 4 * SECONDS, "internal"),
                        "3F2A: to=<b@example.com>, orig_to=<info@example.com>, relay=mx[192.0.2.1]:25, conn_use=3, "
                        "delay=5, delays=1.5/0.5/1/2, dsn=2.0.0, status=sent (250 OK)");
    result.tls = "may:none";
    assert_string_equal(log_one(&other, &result, 4 * SECONDS, "internal"),
                        "3F2A: to=<b@example.com>, orig_to=<info@example.com>, relay=mx[192.0.2.1]:25, conn_use=3, "
                        "delay=5, delays=1.5/0.5/1/2, tls=may:none, dsn=2.0.0, status=sent (250 OK)");
    log_set_sink(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_delays), cmocka_unit_test(test_lines)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
