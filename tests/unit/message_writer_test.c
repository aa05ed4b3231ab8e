/* Content on its way into a queue file: however the text is cut, the records are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mail/queue/message_writer.h"

static int temporary_file(void)
{
    char name[] = "/tmp/message_writer_test.XXXXXX";
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    unlink(name);
    return fd;
}

/* All that was written between M and X. */
static void written_content(struct message_writer *writer, int fd, struct text *content)
{
    off_t start = (off_t)(message_writer_length(writer) - message_writer_content_size(writer)), end;

    message_writer_end_content(writer);
    assert_true(message_writer_finish(writer, 0, 0));
    message_writer_free(writer);
    end = lseek(fd, 0, SEEK_END);
    text_clear(content);
    text_reserve(content, (size_t)end);
    assert_int_equal(pread(fd, content->data, (size_t)(end - start), start), end - start);
    content->length = (size_t)(end - start);
}

static struct message_writer *content_writer(int *fd, size_t line_limit)
{
    struct message_writer *writer;

    *fd = temporary_file();
    writer = message_writer_new(*fd, line_limit);
    message_writer_start_content(writer);
    return writer;
}

/* Text cut anywhere makes the records that its lines make. */
static void lines_cut_anywhere(void **state)
{
    static const char text[] = "a: b\n\n123456789\n1234567890\n12345678901\n12345678901234567890\n"
                               "n\0l\n\n\n123456789012345678901\nno end, but long";
    static const char records[] = "N\004a: bN\0N\011123456789N\0121234567890L\0121234567890N\0011L\0121234567890N\012"
                                  "1234567890N\003n\0lN\0N\0L\0121234567890L\0121234567890N\0011L\012no end, buN\006t long"
                                  "X\0E";
    struct text content = {0};
    size_t length = sizeof text - 1;
    int fd;

    (void)state;
    for (size_t first = 0; first <= length; first++)
        for (size_t second = first; second <= length; second++) {
            struct message_writer *writer = content_writer(&fd, 10);

            message_writer_lines(writer, text, first);
            message_writer_lines(writer, text + first, second - first);
            message_writer_lines(writer, text + second, length - second);
            written_content(writer, fd, &content);
            assert_int_equal(content.length, sizeof records);
            assert_memory_equal(content.data, records, sizeof records);
            close(fd);
        }
    text_free(&content);
}

/* Lines of all lengths where the writer's buffer grows and is written. */
static void lines_pass_the_buffer(void **state)
{
    struct text text = {0}, expected = {0}, content = {0};
    struct message_writer *writer;
    int fd;

    (void)state;
    for (size_t i = 0; i < 600; i++) {
        size_t start = text.length;

        for (size_t j = 0; j < i; j++)
            text_append_char(&text, (char)('a' + j % 26));
        record_append(&expected, RECORD_LINE, text_string(&text) + start, i);
        text_append_char(&text, '\n');
    }
    record_append(&expected, RECORD_EXTRACTED, "", 0);
    record_append(&expected, RECORD_END, "", 0);
    for (size_t piece = 1; piece < text.length; piece = piece * 3 + 1) {
        writer = content_writer(&fd, 600);
        for (size_t at = 0; at < text.length; at += piece)
            message_writer_lines(writer, text.data + at, text.length - at < piece ? text.length - at : piece);
        written_content(writer, fd, &content);
        assert_int_equal(content.length, expected.length);
        assert_memory_equal(content.data, expected.data, expected.length);
        close(fd);
    }
    text_free(&text);
    text_free(&expected);
    text_free(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_cut_anywhere),
        cmocka_unit_test(lines_pass_the_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
