/* Content on its way out: what a server reads is CRLF lines with dots doubled, whatever the queue file holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mail/queue/record.h"
#include "smtp/content.h"
#include "util/task/loop.h"

struct sending {
    int file, peer;
    size_t line_limit;
    const struct mime_limits *downgrade;
    struct stream *stream;
    enum content_status status;
};

static void send_it(void *argument)
{
    struct sending *sending = argument;

    sending->status = content_send(sending->stream, sending->file, 0, sending->line_limit, sending->downgrade);
    stream_flush(sending->stream);
    stream_free(sending->stream);
    loop_stop();
}

static int file_of(const struct text *records)
{
    char path[] = "/tmp/content-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, records->data, records->length), (ssize_t)records->length);
    return fd;
}

static enum content_status send_records(const struct text *records, size_t line_limit, const struct mime_limits *limits,
                                        struct text *received)
{
    struct sending sending = {.file = file_of(records), .line_limit = line_limit, .downgrade = limits};
    char buffer[65536];
    ssize_t got;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    loop_start();
    sending.stream = stream_new(pair[0]);
    task_start(send_it, &sending);
    loop_run();
    loop_end();
    text_clear(received);
    while ((got = read(pair[1], buffer, sizeof buffer)) > 0)
        text_append_bytes(received, buffer, (size_t)got);
    close(pair[1]);
    close(sending.file);
    return sending.status;
}

static void line(struct text *records, const char *bytes)
{
    record_append_string(records, RECORD_LINE, bytes);
}

static void test_lines(void **state)
{
    struct text records = {0}, received = {0};

    (void)state;
    line(&records, "Subject: x");
    line(&records, "");
    line(&records, ".");
    line(&records, "..two");
    line(&records, "bare\rreturn\r");
    line(&records, "injected\n.\nend");
    record_append(&records, RECORD_LINE, "n\0l", 3);
    record_append_string(&records, RECORD_LINE_PART, "long");
    record_append_string(&records, RECORD_LINE_PART, ".er");
    line(&records, "");
    record_append_string(&records, RECORD_LINE_PART, "no end");
    record_append_string(&records, RECORD_EXTRACTED, "");
    assert_int_equal(send_records(&records, 998, NULL, &received), CONTENT_SENT);
    assert_int_equal(received.length, strlen("Subject: x\r\n\r\n..\r\n...two\r\nbare return \r\ninjected . end\r\n"
                                             "n l\r\nlong.er\r\nno end\r\n.\r\n"));
    assert_memory_equal(received.data,
                        "Subject: x\r\n\r\n..\r\n...two\r\nbare return \r\ninjected . end\r\nn\0l\r\nlong.er\r\n"
                        "no end\r\n.\r\n",
                        received.length);
    text_free(&records);
    text_free(&received);
}

static void test_long_lines(void **state)
{
    struct text records = {0}, received = {0};

    (void)state;
    line(&records, "0123456789");
    line(&records, "0123456789abcdefghi.klmnopq");
    record_append_string(&records, RECORD_EXTRACTED, "");
    assert_int_equal(send_records(&records, 10, NULL, &received), CONTENT_SENT);
    assert_string_equal(received.data, "0123456789\r\n0123456789\r\n abcdefghi\r\n .klmnopq\r\n.\r\n");
    text_free(&records);
    text_free(&received);
}

/* What has to go out for a piece of a line, byte by byte. */
static void expect_piece(struct text *out, size_t *column, size_t limit, const char *bytes, size_t length, bool line_ends)
{
    if (*column == 0 && length > 0 && *bytes == '.')
        text_append_char(out, '.');
    for (size_t i = 0; i < length; i++) {
        if (limit > 0 && *column == limit) {
            text_append(out, "\r\n ");
            *column = 1;
        }
        text_append_char(out, bytes[i] == '\r' || bytes[i] == '\n' ? ' ' : bytes[i]);
        ++*column;
    }
    if (line_ends) {
        text_append(out, "\r\n");
        *column = 0;
    }
}

/* Records of all kinds and lengths, where the buffers of file and stream end as well. Lengths of 10 and 13 look like
 * LF and CR. */
static void test_many(void **state)
{
    static const size_t limits[] = {0, 10, 998, 5000};
    static const char alphabet[] = "abcdefgh.\r\n\0\xff";
    struct text records = {0}, expected = {0}, received = {0};
    unsigned seed = 1;

    (void)state;
    for (size_t i = 0; i < 4 * sizeof limits / sizeof *limits; i++) {
        unsigned rare = i / 4 == 0 ? 3 : 50;
        size_t column = 0, limit = limits[i % 4];
        char bytes[6000];

        text_clear(&records);
        text_clear(&expected);
        while (records.length < 90000) {
            size_t length = (seed = seed * 1103515245 + 12345) >> 16 & 127;
            bool ends = (seed >> 24 & 15) != 0;

            length = length == 127 ? sizeof bytes : length == 126 ? 998 : length == 125 ? 4097 : length;
            for (size_t j = 0; j < length; j++) {
                seed = seed * 1103515245 + 12345;
                bytes[j] = alphabet[(seed >> 16) % rare == 0 ? (seed >> 20) % 13 : (seed >> 20) % 8];
            }
            record_append(&records, ends ? RECORD_LINE : RECORD_LINE_PART, bytes, length);
            expect_piece(&expected, &column, limit, bytes, length, ends);
        }
        record_append(&records, RECORD_LINE, "", 0);
        record_append(&records, RECORD_EXTRACTED, "", 0);
        expect_piece(&expected, &column, limit, "", 0, true);
        text_append(&expected, ".\r\n");
        assert_int_equal(send_records(&records, limit, NULL, &received), CONTENT_SENT);
        assert_int_equal(received.length, expected.length);
        assert_memory_equal(received.data, expected.data, expected.length);
    }
    text_free(&records);
    text_free(&expected);
    text_free(&received);
}

static void test_damage(void **state)
{
    struct text records = {0}, received = {0};

    (void)state;
    line(&records, "half of it");
    record_append_string(&records, RECORD_LINE, "cut off");
    text_truncate(&records, records.length - 3);
    assert_int_equal(send_records(&records, 998, NULL, &received), CONTENT_DAMAGED);
    assert_null(strstr(text_string(&received), "\r\n.\r\n"));
    text_free(&records);
    text_free(&received);
}

static void test_downgrade(void **state)
{
    struct mime_limits limits = {.nesting = 10, .boundary_length = 100};
    struct text records = {0}, received = {0};

    (void)state;
    line(&records, "MIME-Version: 1.0");
    line(&records, "Content-Type: text/plain; charset=utf-8");
    line(&records, "Content-Transfer-Encoding: 8bit");
    line(&records, "");
    record_append_string(&records, RECORD_LINE_PART, "gr\xc3");
    line(&records, "\xbc\xc3\x9f");
    record_append_string(&records, RECORD_EXTRACTED, "");
    assert_int_equal(send_records(&records, 998, &limits, &received), CONTENT_SENT);
    assert_non_null(strstr(received.data, "\r\nContent-Transfer-Encoding: quoted-printable\r\n"));
    assert_non_null(strstr(received.data, "\r\n\r\ngr=C3=BC=C3=9F\r\n.\r\n"));
    text_free(&records);
    text_free(&received);
}

static void test_utf8_headers(void **state)
{
    struct text records = {0};
    int fd;

    (void)state;
    line(&records, "Subject: plain");
    line(&records, "");
    line(&records, "gr\xc3\xbc\xc3\x9f");
    record_append_string(&records, RECORD_EXTRACTED, "");
    fd = file_of(&records);
    assert_false(content_has_utf8_headers(fd, 0));
    close(fd);
    text_clear(&records);
    line(&records, "Subject: gr\xc3\xbc\xc3\x9f");
    record_append_string(&records, RECORD_EXTRACTED, "");
    fd = file_of(&records);
    assert_true(content_has_utf8_headers(fd, 0));
    close(fd);
    text_free(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_long_lines),   cmocka_unit_test(test_damage),
        cmocka_unit_test(test_downgrade), cmocka_unit_test(test_utf8_headers),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
