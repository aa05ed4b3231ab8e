/* Header lines, dates, and the turning of 8bit parts into quoted-printable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mail/message/date.h"
#include "mail/message/header.h"
#include "mail/message/mime.h"
#include "util/base/text.h"

static void header_lines(void **state)
{
    size_t name;

    (void)state;
    assert_true(header_line("Subject: x", 10, &name));
    assert_int_equal(name, 7);
    assert_true(header_line("Subject \t: x", 12, &name));
    assert_int_equal(name, 7);
    assert_true(header_line("X:", 2, &name));
    assert_false(header_line("X", 1, &name));
    assert_false(header_line(": x", 3, &name));
    assert_false(header_line("a b: x", 6, &name));
    assert_false(header_line(" X: y", 5, &name));
    assert_false(header_line("", 0, &name));
    assert_false(header_line("\303\251: y", 5, &name));
    assert_int_equal(header_find("FROM", 4)->id, HEADER_FROM);
    assert_int_equal(header_find("from-x", 6)->id, HEADER_NONE);
    assert_true(header_find("resent-bcc", 10)->kind & HEADER_DROP);
}

static void dates(void **state)
{
    char buffer[MAIL_DATE_SIZE];

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    assert_string_equal(mail_date(1795532742, buffer), "Tue, 24 Nov 2026 15:05:42 +0000 (UTC)");
    setenv("TZ", "XST-5:30", 1);
    tzset();
    assert_string_equal(mail_date(86400 * 3, buffer), "Sun, 04 Jan 1970 05:30:00 +0530 (XST)");
    setenv("TZ", "NST3:30", 1);
    tzset();
    assert_string_equal(mail_date(86400 * 3, buffer), "Sat, 03 Jan 1970 20:30:00 -0330 (NST)");
}

static bool append_line(void *context, const char *line, size_t length)
{
    text_append_bytes(context, line, length);
    text_append_char(context, '\n');
    return true;
}

static void becomes(const char *message, const char *expected)
{
    const struct mime_limits limits = {3, 70};
    struct text result = {0};
    struct mime_downgrade *mime = mime_downgrade_new(&limits, append_line, &result);
    const char *end;

    for (; (end = strchr(message, '\n')) != NULL; message = end + 1)
        assert_true(mime_downgrade_line(mime, message, (size_t)(end - message)));
    assert_true(mime_downgrade_end(mime));
    mime_downgrade_free(mime);
    assert_string_equal(text_string(&result), expected);
    text_free(&result);
}

static void downgrades(void **state)
{
    (void)state;
    becomes("Subject: x\n\nb=\303\n", "Subject: x\n\nb=\303\n");
    becomes("Content-Transfer-Encoding: 8bit\nSubject: x\n\na \nb=\303\n",
            "Subject: x\nContent-Transfer-Encoding: quoted-printable\n\na=20\nb=3D=C3\n");
    becomes("Content-Transfer-Encoding:\n 7bit\nSubject: x\n\n=\n", "Subject: x\nContent-Transfer-Encoding:\n 7bit\n\n=\n");
    becomes("CONTENT-TRANSFER-ENCODING: 8BIT\nContent-Type: multipart/mixed;\n boundary=\"b b\"\n\npreamble \303\n--b b\n\n"
            "\303\n--b b\nContent-Transfer-Encoding: 8bit\n\n\303\n--b b--\n=\303\n",
            "Content-Type: multipart/mixed;\n boundary=\"b b\"\nContent-Transfer-Encoding: 7bit\n\npreamble \303\n--b b\n\n"
            "\303\n--b b\nContent-Transfer-Encoding: quoted-printable\n\n=C3\n--b b--\n=\303\n");
    becomes("Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: y\n"
            "Content-Transfer-Encoding: 8bit\n\n\303\n",
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: y\n"
            "Content-Transfer-Encoding: quoted-printable\n\n=C3\n");
}

static void long_lines_are_folded(void **state)
{
    struct text message = {0}, line = {0};
    const struct mime_limits limits = {3, 70};
    struct text result = {0};
    struct mime_downgrade *mime = mime_downgrade_new(&limits, append_line, &result);
    size_t longest = 0;

    (void)state;
    for (int i = 0; i < 500; i++)
        text_append(&line, "x\303");
    mime_downgrade_line(mime, "Content-Transfer-Encoding: 8bit", 31);
    mime_downgrade_line(mime, "", 0);
    mime_downgrade_line(mime, line.data, line.length);
    mime_downgrade_free(mime);
    for (char *at = result.data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        longest = (size_t)(end - at) > longest ? (size_t)(end - at) : longest;
    assert_true(longest <= 76);
    text_free(&message);
    text_free(&line);
    text_free(&result);
}

static void nesting_ends(void **state)
{
    (void)state;
    /* One message inside another, deeper than the limit: the rest passes as it is. */
    becomes("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n"
            "Content-Type: message/rfc822\n\nContent-Transfer-Encoding: 8bit\n\n\303\n",
            "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n"
            "Content-Type: message/rfc822\n\nContent-Transfer-Encoding: 8bit\n\n\303\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_lines),          cmocka_unit_test(dates),        cmocka_unit_test(downgrades),
        cmocka_unit_test(long_lines_are_folded), cmocka_unit_test(nesting_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
