/* Where each line of a message stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail/message/mime_parts.h"
#include "util/base/text.h"

/* One letter a line: F field, f fold, - blank, = boundary, . body; fields in capitals P (primary), M (part),
 * N (nested); ! after a line that ended a header without being blank. */
static void expect(const char *message, int nesting, const char *wanted)
{
    const struct mime_limits limits = {nesting, 70};
    struct mime_parts *parts = mime_parts_new(&limits);
    struct text seen = {0};

    for (const char *end; (end = strchr(message, '\n')) != NULL; message = end + 1) {
        struct mime_line line = mime_parts_line(parts, message, (size_t)(end - message));

        text_append_char(&seen, line.kind == MIME_FIELD ? "PMN"[line.level] : "Ff-=."[line.kind]);
        if (line.header_ended && line.kind != MIME_BLANK)
            text_append_char(&seen, '!');
    }
    assert_string_equal(text_string(&seen), wanted);
    text_free(&seen);
    mime_parts_free(parts);
}

static void plain_messages(void **state)
{
    (void)state;
    expect("A: 1\n b\nC: 2\n\nD: 3\n\n--x\n", 10, "PfP-...");
    expect("A: 1\nbody\nmore\n", 10, "P.!.");
    expect("\nbody\n", 10, "-.");
    expect("From x\nA: 1\n", 10, ".!.");
}

static void parts_and_messages(void **state)
{
    const char *message = "Content-Type: multipart/mixed;\n boundary=\"a b\"\n\npre\n--a b\nX: 1\n\nbody\n--a b \n\n"
                          "plain\n--a b\nContent-Type: message/rfc822\n\nS: 1\n\ntext\n--a b--\nafter\n--a b\n";

    (void)state;
    expect(message, 10, "Pf-.=M-.=-.=M-N-.=..");
    expect(message, 1, "Pf-.=M-.=-.=M-...=..");
    expect(message, 0, "Pf-.................");
}

static void outer_boundaries_end_inner_parts(void **state)
{
    (void)state;
    expect("Content-Type: multipart/x; boundary=o\n\n--o\nContent-Type: multipart/y; boundary=i\n\n--i\nA: 1\n--o\n"
           "B: 2\n--i\n",
           10, "P-=M-=M=!M.!");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_messages),
        cmocka_unit_test(parts_and_messages),
        cmocka_unit_test(outer_boundaries_end_inner_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
