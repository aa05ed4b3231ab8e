/* What servers answer: replies line by line, also hostile ones, and EHLO offers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "smtp/ehlo.h"
#include "smtp/reply.h"

static bool add(struct smtp_reply *reply, const char *line)
{
    return smtp_reply_add_line(reply, line, strlen(line));
}

static void assert_reply(const char *line, int code, const char *dsn)
{
    struct smtp_reply reply = {0};

    assert_true(add(&reply, line));
    assert_int_equal(reply.code, code);
    assert_string_equal(reply.dsn, dsn);
    assert_string_equal(text_string(&reply.text), line);
    assert_false(reply.damaged);
    smtp_reply_free(&reply);
}

static void test_codes(void **state)
{
    (void)state;
    assert_reply("250 2.1.0 ok", 250, "2.1.0");
    assert_reply("250", 250, "2.0.0");
    assert_reply("250 ", 250, "2.0.0");
    assert_reply("550 5.123.456 x", 550, "5.123.456");
    assert_reply("550 4.1.1 does not fit", 550, "5.0.0");
    assert_reply("550 5.1 no third part", 550, "5.0.0");
    assert_reply("550 5.1.1234 too long", 550, "5.0.0");
    assert_reply("550 5.1.1x", 550, "5.0.0");
    assert_reply("354 go on", 354, "3.0.0");
}

static void test_several_lines(void **state)
{
    struct smtp_reply reply = {0};
    struct arena *arena = arena_new();

    (void)state;
    assert_false(add(&reply, "550-5.1.0 one"));
    assert_false(add(&reply, "550-two"));
    assert_true(add(&reply, "550 5.7.1 three"));
    assert_string_equal(reply.dsn, "5.7.1");
    assert_string_equal(smtp_reply_line(&reply, arena), "550-5.1.0 one 550-two 550 5.7.1 three");
    smtp_reply_free(&reply);
    arena_free(arena);
}

static void test_hostile(void **state)
{
    struct smtp_reply reply = {0};

    (void)state;
    assert_false(add(&reply, ""));
    assert_false(add(&reply, "hello"));
    assert_false(add(&reply, "25"));
    assert_false(add(&reply, "999 no such class"));
    assert_false(add(&reply, "2500 four digits"));
    assert_false(smtp_reply_add_line(&reply, "\0\x01\xff\x1b[2J", 7));
    for (int i = 0; i < 1000; i++)
        assert_false(add(&reply, "250-again and again and again and again"));
    assert_true(reply.text.length <= REPLY_TEXT_LIMIT + 1);
    assert_true(add(&reply, "250 end"));
    assert_true(reply.damaged);
    assert_int_equal(reply.code, 250);
    for (size_t i = 0; i < reply.text.length; i++)
        assert_true(reply.text.data[i] == '\n' || ascii_is_printable(reply.text.data[i]));
    smtp_reply_free(&reply);
}

static void test_ehlo(void **state)
{
    struct ehlo_offer offer;

    (void)state;
    ehlo_parse("250-DSN.example greets SIZE\n250-PIPELINING\n250-size 1000\n250-8bitmime\n250 X-UNKNOWN DSN", 0,
               &offer);
    assert_int_equal(offer.features, EHLO_PIPELINING | EHLO_SIZE | EHLO_8BITMIME);
    assert_int_equal(offer.size_limit, 1000);
    ehlo_parse("250-mx\n250-SIZE\n250-DSN\n250", ehlo_discard_parse("dsn, nonsense silent-discard"), &offer);
    assert_int_equal(offer.features, EHLO_SIZE);
    assert_int_equal(offer.size_limit, 0);
    ehlo_parse("250-mx\n250 SIZE=99999999999999999999999999", 0, &offer);
    assert_int_equal(offer.size_limit, 0);
    ehlo_parse("", 0, &offer);
    assert_int_equal(offer.features, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_several_lines),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_ehlo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
