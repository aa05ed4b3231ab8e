/* mtasts: records and policies as strangers write them, what is kept and for how long, and what to do when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mtasts/cache.h"
#include "util/base/memory.h"

enum { DAY = 86400 };

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* ---- records ---- */

static const char *id_of(const char *record)
{
    static char id[STS_ID_LIMIT + 1];

    return sts_record_parse(record, id) ? id : NULL;
}

static void records(void **state)
{
    static const char *const bad[] = {
        "", "v=STSv1", "v=STSv1;", "v=STSv1; ;", "v=STSv1 id=1", "v=STSv2; id=1", "V=STSv1; id=1", " v=STSv1; id=1", "v=STSv1; id=",
        "v=STSv1; id=1 2", "v=STSv1; id=a.b", "v=STSv1; id=123456789012345678901234567890123", "v=STSv1; ID=1", "v=STSv1; x=1",
        "v=STSv1; id=1; nothing", "v=STSv1; id=1; x=", "v=STSv1; id=1; =x", "v=STSv1; id=1;; x=1", "v=STSv1; -x=1; id=1",
        "v=STSv1; id=1; x=a=b", "id=1; v=STSv1", "v=STSv1; id=\303\244", "v=STSv1; id=1; x=\303\244",
    };

    (void)state;
    assert_string_equal(id_of("v=STSv1; id=20160831085700Z;"), "20160831085700Z");
    assert_string_equal(id_of("v=STSv1;id=1"), "1");
    assert_string_equal(id_of("v=STSv1 \t; \tid=1 \t; \t"), "1");
    assert_string_equal(id_of("v=STSv1; x.y-z_1=a!b; id=1; id=2; v=7"), "1");
    assert_string_equal(id_of("v=STSv1; id=12345678901234567890123456789012"), "12345678901234567890123456789012");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (id_of(bad[i]) != NULL)
            fail_msg("\"%s\" has the id %s", bad[i], id_of(bad[i]));
    assert_true(sts_record_is_ours("v=STSv1; broken"));
    assert_false(sts_record_is_ours("v=STSv1x; id=1"));
    assert_false(sts_record_is_ours("v=spf1 -all"));
}

/* ---- policies ---- */

static struct error error;

static bool parse(const char *text, struct sts_policy *policy)
{
    error.text[0] = '\0';
    return sts_policy_parse(text, strlen(text), arena, policy, &error);
}

static void good_policy(void **state)
{
    struct sts_policy policy;

    (void)state;
    assert_true(parse("version: STSv1\r\nmode: enforce\r\nmx: Mail.Example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n", &policy));
    assert_int_equal(policy.mode, MTASTS_ENFORCE);
    assert_int_equal(policy.max_age, 604800);
    assert_int_equal(policy.mx.count, 2);
    assert_string_equal(policy.mx.items[0], "mail.example.com");
    assert_string_equal(policy.mx.items[1], "*.example.net");
    assert_int_equal(policy.lines.count, 5);
    assert_string_equal(policy.lines.items[2], "mx: Mail.Example.com");
}

static void allowed_policies(void **state)
{
    struct sts_policy policy;

    (void)state;
    /* Any order, LF, blanks, no end, empty lines, what nobody knows. */
    assert_true(parse("max_age:1\n\nmx:\ta.example \t\n  \nfuture.field-1: a; b = \303\274\nmode:  testing\nversion:STSv1", &policy));
    assert_int_equal(policy.mode, MTASTS_TESTING);
    assert_string_equal(policy.mx.items[0], "a.example");
    assert_int_equal(policy.lines.count, 5);
    /* The first counts. */
    assert_true(parse("version: STSv1\nmode: none\nmode: enforce\nmax_age: 5\nmax_age: x\nversion: 9\n", &policy));
    assert_int_equal(policy.mode, MTASTS_NONE);
    assert_int_equal(policy.max_age, 5);
    /* A year is the most. */
    assert_true(parse("version: STSv1\nmode: none\nmax_age: 9999999999\n", &policy));
    assert_int_equal(policy.max_age, 31557600);
    assert_true(parse("version: STSv1\nmode: none\nmax_age: 0\n", &policy));
    assert_int_equal(policy.max_age, 0);
}

static void bad_policies(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "no version"},
        {"mode: none\nmax_age: 1\n", "no version"},
        {"version: STSv1\nmax_age: 1\n", "no mode"},
        {"version: STSv1\nmode: none\n", "no max_age"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\n", "no mx"},
        {"version: STSv1\nmode: testing\nmax_age: 1\n", "no mx"},
        {"version: STSv2\nmode: none\nmax_age: 1\n", "version"},
        {"version: stsv1\nmode: none\nmax_age: 1\n", "version"},
        {"Version: STSv1\nmode: none\nmax_age: 1\n", "no version"},
        {"version: STSv1\nmode: Enforce\nmax_age: 1\n", "mode"},
        {"version: STSv1\nmode: none none\nmax_age: 1\n", "mode"},
        {"version: STSv1\nmode: none\nmax_age: -1\n", "max_age"},
        {"version: STSv1\nmode: none\nmax_age: 1.5\n", "max_age"},
        {"version: STSv1\nmode: none\nmax_age: 0x10\n", "max_age"},
        {"version: STSv1\nmode: none\nmax_age: 00000000001\n", "max_age"},
        {"version: STSv1\nmode: none\nmax_age:\n", "value"},
        {"version: STSv1\nmode: none\nmax_age: 1\nhello\n", "colon"},
        {"version: STSv1\nmode: none\nmax_age: 1\n: x\n", "colon"},
        {"version: STSv1\nmode: none\nmax_age: 1\n mx: a.example\n", "colon"},
        {"version : STSv1\nmode: none\nmax_age: 1\n", "colon"},
        {"version: STSv1\nmode: none\nmax_age: 1\nx: a\rb\n", "control"},
        {"version: STSv1\rmode: none\rmax_age: 1\r", "control"},
        {"version: STSv1\nmode: none\nmax_age: 1\r\r\n", "control"},
        {"version: STSv1\nmode: none\nmax_age: 1\nx: \033[2J\n", "control"},
        {"version: STSv1\nmode: none\nmax_age: 1\nx: \377\n", "UTF-8"},
        {"version: STSv1, mode: none, max_age: 1", "version"},
    };
    struct sts_policy policy;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (parse(bad[i].text, &policy))
            fail_msg("taken: %s", bad[i].text);
        if (strstr(error.text, bad[i].why) == NULL)
            fail_msg("%s: %s", bad[i].text, error.text);
    }
    assert_false(sts_policy_parse("version: STSv1\nmode: none\nmax_age: 1\n\0", 41, arena, &policy, &error));
}

static void bad_names(void **state)
{
    static const char *const bad[] = {"*",        "*.",          "*.*.example", "a.*.example", "*a.example", "**.example", ".example", "example",
                                      "a..example", "a.example.", "-a.example",  "a-.example",  "a_b.example", "a b.example", "a,b.example",
                                      "[192.0.2.1]", "\303\244.example", "*.example"};
    struct sts_policy policy;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(arena_format(arena, "version: STSv1\nmode: enforce\nmx: %s\nmax_age: 1\n", bad[i]), &policy))
            fail_msg("taken: mx: %s", bad[i]);
}

static void long_policies(void **state)
{
    struct text text = {0};
    struct sts_policy policy;

    (void)state;
    text_append(&text, "version: STSv1\nmode: enforce\nmax_age: 1\n");
    while (text.length < STS_POLICY_LIMIT - 20)
        text_append(&text, "mx: a.example\n");
    assert_true(sts_policy_parse(text.data, text.length, arena, &policy, &error));
    assert_true(policy.mx.count > 4000);
    text_append(&text, "mx: a.example\nmx: a.example\n");
    assert_false(sts_policy_parse(text.data, text.length, arena, &policy, &error));
    text_free(&text);
}

/* ---- what is kept ---- */

static char directory[] = "/tmp/mtasts_test.XXXXXX";
static char *path;

static int make_directory(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    path = memory_format("%s/p.lmdb", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    free(path);
    return rmdir(directory);
}

static struct sts_cache *open_cache(size_t limit)
{
    struct sts_cache *cache = sts_cache_open(path, limit, &error);

    if (cache == NULL)
        fail_msg("%s", error.text);
    return cache;
}

static int remove_files(void **state)
{
    char *lock = memory_format("%s-lock", path);

    unlink(path);
    unlink(lock);
    free(lock);
    return tear_down(state);
}

static void keep(struct sts_cache *cache, const char *domain, int64_t now, int64_t max_age)
{
    const char *text = arena_format(arena, "version: STSv1\nmode: enforce\nmx: mx.%s\nmax_age: %lld\n", domain, (long long)max_age);
    struct sts_entry entry = {.fetched = now, .used = now, .id = "7", .text = text};

    assert_true(parse(text, &entry.policy));
    assert_true(sts_cache_keep(cache, domain, &entry, &error));
}

static void kept_until_it_expires(void **state)
{
    struct sts_cache *cache = open_cache(10);
    struct sts_entry entry;

    (void)state;
    assert_false(sts_cache_find(cache, "a.example", 1000, arena, &entry));
    keep(cache, "a.example", 1000, 100);
    sts_cache_close(cache);
    cache = open_cache(10); /* another process */
    assert_int_equal(sts_cache_count(cache), 1);
    assert_true(sts_cache_find(cache, "a.example", 1099, arena, &entry));
    assert_int_equal(entry.fetched, 1000);
    assert_int_equal(entry.expires, 1100);
    assert_string_equal(entry.id, "7");
    assert_int_equal(entry.policy.mode, MTASTS_ENFORCE);
    assert_string_equal(entry.policy.mx.items[0], "mx.a.example");
    assert_false(sts_cache_find(cache, "a.example", 1100, arena, &entry));
    assert_int_equal(sts_cache_count(cache), 0);
    sts_cache_close(cache);
}

static void age_of_nothing_removes(void **state)
{
    struct sts_cache *cache = open_cache(10);
    struct sts_entry entry;

    (void)state;
    keep(cache, "a.example", 1000, 100);
    keep(cache, "a.example", 1001, 0);
    assert_false(sts_cache_find(cache, "a.example", 1001, arena, &entry));
    assert_int_equal(sts_cache_count(cache), 0);
    sts_cache_close(cache);
}

static void the_longest_unused_goes(void **state)
{
    struct sts_cache *cache = open_cache(10);
    struct sts_entry entry;

    (void)state;
    for (int i = 0; i < 10; i++)
        keep(cache, arena_format(arena, "d%d.example", i), 1000 + i, DAY * 100);
    assert_true(sts_cache_find(cache, "d0.example", 5000, arena, &entry));
    sts_cache_touch(cache, "d0.example", &entry, 1000 + 2 * DAY);
    keep(cache, "new.example", 1000 + 3 * DAY, DAY);
    assert_true(sts_cache_count(cache) <= 10);
    assert_true(sts_cache_find(cache, "d0.example", 5000, arena, &entry));
    assert_true(sts_cache_find(cache, "d9.example", 5000, arena, &entry));
    assert_true(sts_cache_find(cache, "new.example", 1000 + 3 * DAY, arena, &entry));
    assert_false(sts_cache_find(cache, "d1.example", 5000, arena, &entry));
    sts_cache_close(cache);
}

static void giants_are_not_kept(void **state)
{
    struct sts_cache *cache = open_cache(10);
    struct text text = {0};
    struct sts_entry entry = {.fetched = 1, .used = 1, .id = "1"};

    (void)state;
    text_append(&text, "version: STSv1\nmode: enforce\nmax_age: 1000\n");
    while (text.length < 20 * 1024)
        text_append(&text, "mx: a.example\n");
    assert_true(sts_policy_parse(text.data, text.length, arena, &entry.policy, &error));
    entry.text = text.data;
    assert_false(sts_cache_keep(cache, "a.example", &entry, &error));
    assert_int_equal(sts_cache_count(cache), 0);
    text_free(&text);
    sts_cache_close(cache);
}

static void sweep(void **state)
{
    struct sts_cache *cache = open_cache(10);
    struct sts_domains due;
    int64_t now = 100 * DAY;

    (void)state;
    keep(cache, "fresh.example", now - 100, DAY);
    keep(cache, "half.example", now - DAY / 2 - 1, DAY);
    keep(cache, "old.example", now - DAY, 300 * DAY);
    keep(cache, "forgotten.example", now - 31 * DAY, 300 * DAY);
    keep(cache, "expired.example", now - DAY, DAY);
    sts_cache_sweep(cache, now, 10, arena, &due);
    assert_int_equal(due.count, 2);
    assert_string_equal(due.items[0], "half.example");
    assert_string_equal(due.items[1], "old.example");
    assert_int_equal(sts_cache_count(cache), 4);
    sts_cache_sweep(cache, now, 1, arena, &due);
    assert_int_equal(due.count, 1);
    sts_cache_close(cache);
}

/* ---- what to do ---- */

static void decisions(void **state)
{
    const struct sts_entry kept = {.fetched = 1000, .expires = 1000 + 10 * DAY, .used = 1000, .id = "1"};

    (void)state;
    assert_int_equal(sts_decide(STS_NOT_ANNOUNCED, "", NULL, 1001), STS_NOTHING);
    assert_int_equal(sts_decide(STS_NOT_KNOWN, "", NULL, 1001), STS_NOTHING);
    assert_int_equal(sts_decide(STS_ANNOUNCED, "1", NULL, 1001), STS_FETCH);
    assert_int_equal(sts_decide(STS_ANNOUNCED, "1", &kept, 1001), STS_USE);
    assert_int_equal(sts_decide(STS_ANNOUNCED, "2", &kept, 1001), STS_FETCH);
    assert_int_equal(sts_decide(STS_NOT_ANNOUNCED, "", &kept, 1001), STS_USE);
    assert_int_equal(sts_decide(STS_NOT_KNOWN, "", &kept, 1001), STS_USE);
    assert_int_equal(sts_decide(STS_ANNOUNCED, "1", &kept, 1000 + DAY), STS_REFRESH);
    assert_int_equal(sts_decide(STS_NOT_ANNOUNCED, "", &kept, 1000 + DAY), STS_REFRESH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(good_policy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(allowed_policies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_policies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_policies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_until_it_expires, set_up, remove_files),
        cmocka_unit_test_setup_teardown(age_of_nothing_removes, set_up, remove_files),
        cmocka_unit_test_setup_teardown(the_longest_unused_goes, set_up, remove_files),
        cmocka_unit_test_setup_teardown(giants_are_not_kept, set_up, remove_files),
        cmocka_unit_test_setup_teardown(sweep, set_up, remove_files),
        cmocka_unit_test(decisions),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
