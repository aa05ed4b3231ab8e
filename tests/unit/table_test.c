/* The simple table types, the registry, lists, and indexed files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/table.h"

static struct text said; /* log lines since a table was last opened */

static void note(enum log_level level, const char *line)
{
    (void)level;
    text_append_format(&said, "%s\n", line);
}

static char *ask(struct table *table, const char *key)
{
    struct text result = {0};
    struct error error;
    enum table_result answer = table_lookup(table, key, &result, &error);

    if (answer != TABLE_FOUND)
        text_append(&result, answer == TABLE_ERROR ? "!" : "-");
    return text_take(&result);
}

static void expect_answer(struct table *table, const char *key, const char *wanted)
{
    char *answer = ask(table, key);

    assert_string_equal(answer, wanted);
    free(answer);
}

static void expect(const char *name, const char *key, const char *wanted)
{
    struct error error;
    struct table *table;

    text_clear(&said);
    table = table_open(name, &error);
    assert_non_null(table);
    expect_answer(table, key, wanted);
    table_close(table);
}

static void expect_said(const char *wanted)
{
    if (strstr(text_string(&said), wanted) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", wanted, text_string(&said));
}

static void inline_tables(void **state)
{
    (void)state;
    expect("inline:{a=b, {c = d e, f}, X=1}", "a", "b");
    expect("inline:{a=b, {c = d e, f}, X=1}", "C", "d e, f");
    expect("inline:{a=b, {c = d e, f}, X=1}", "x", "1");
    expect("inline:{a=b, a=c}", "a", "c");
    expect("inline:{a=b}", "b", "-");
    expect("inline:{a}", "a", "!");
    expect_said("missing '=' after attribute name: \"inline:{a}\"; need \"inline:{name=value...}\"");
    expect("inline:a=b", "a", "!");
    expect_said("bad syntax: \"inline:a=b\"; need \"inline:{name=value...}\"");
    expect("inline:{}", "a", "!");
    expect("inline:{ {c=d}x }", "c", "!");
    expect_said("syntax error after '}' in \"{c=d}x\": \"inline:{ {c=d}x }\"; need \"inline:{name=value...}\"");
}

static void small_types(void **state)
{
    (void)state;
    expect("static:foo", "anything", "foo");
    expect("static:{ foo bar }", "x", "foo bar");
    expect("static:{ foo", "x", "!");
    expect_said("bad static:name syntax: missing '}' in \"{ foo\"");
    expect("fail:x", "x", "!");
    expect_said("fail:x: query error");
    expect("unix:passwd.byname", "ROOT", "root:x:0:0:root:/root:/bin/bash");
    expect("unix:passwd.byname", "no such user", "-");
    expect("unix:group.byname", "root", "root:x:0:");
    expect("unix:other", "root", "!");
    setenv("TABLE_TEST", "value", 1);
    expect("environ:x", "TABLE_TEST", "value");
    expect("environ:x", "TABLE_TEST_UNSET", "-");
    expect("proxy:inline:{a=b}", "a", "b");
    expect("pipemap:{inline:{a=b}, inline:{b=c}}", "a", "c");
    expect("pipemap:{inline:{a=b}, inline:{x=c}}", "a", "-");
    expect("unionmap:{static:one,inline:{a=b}}", "a", "one,b");
    expect("unionmap:{inline:{a=b},fail:x}", "a", "!");
    expect("unionmap:static:one", "a", "!");
    expect_said("bad syntax: \"unionmap:static:one\"; need \"unionmap:{type:name...}\"");
    expect("randmap:{x}", "a", "x");
}

static void what_cannot_be_opened_answers_error(void **state)
{
    struct error error;

    (void)state;
    expect("bogus:x", "a", "!");
    expect_said("unsupported dictionary type: bogus");
    expect("texthash:/nonexistent/x", "a", "!");
    expect_said("open database /nonexistent/x: No such file or directory");
    expect("lmdb:/nonexistent/x", "a", "!");
    expect_said("open database /nonexistent/x.lmdb: No such file or directory");
    expect_said("lmdb:/nonexistent/x is unavailable. open database");
    expect("regexp:/nonexistent/x", "a", "!");
    expect_said("open /nonexistent/x: No such file or directory");
    assert_null(table_open("static", &error));
    assert_string_equal(error.text, "open dictionary: expecting \"type:name\" form instead of \"static\"");
    assert_null(table_open_strictly("bogus:x", &error));
    assert_string_equal(error.text, "unsupported dictionary type: bogus");
}

static void lists_ask_in_order(void **state)
{
    struct error error;
    struct text result = {0};
    struct table_list *list = table_list_open("inline:{a=1, {b = 2 3}}, inline:{c=4 empty=}\n fail:x", &error);

    (void)state;
    assert_non_null(list);
    assert_int_equal(table_list_count(list), 3);
    assert_int_equal(table_list_lookup(list, "b", &result, &error), TABLE_FOUND);
    assert_string_equal(text_string(&result), "2 3");
    assert_int_equal(table_list_lookup(list, "c", &result, &error), TABLE_FOUND);
    assert_string_equal(table_list_last(list), "inline:{c=4 empty=}");
    assert_int_equal(table_list_lookup(list, "x", &result, &error), TABLE_ERROR);
    assert_string_equal(error.text, "fail:x: table lookup problem");
    assert_int_equal(table_list_lookup(list, "empty", &result, &error), TABLE_ERROR);
    table_list_close(list);
    text_free(&result);
    list = table_list_open(" , ", &error);
    assert_true(table_list_empty(list));
    table_list_close(list);
}

/* ---- files ---- */

static char directory[] = "/tmp/table_test.XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"t", "t.lmdb", "u.lmdb"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = memory_format("%s/%s", directory, names[i]);

        unlink(path);
        free(path);
    }
    return rmdir(directory);
}

static void write_file(const char *name, const char *content)
{
    char *path = memory_format("%s/%s", directory, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    free(path);
}

static void texthash_reads_a_file(void **state)
{
    char *name = memory_format("texthash:%s/t", directory);
    struct error error;
    struct table *table;

    (void)state;
    write_file("t", "# x\nFoo bar  baz \nfoo again\n\"a b\" c\nnovalue\nx: y\n\"open z\nlong a\n  b\n");
    text_clear(&said);
    table = table_open(name, &error);
    expect_answer(table, "FOO", "bar  baz");
    expect_answer(table, "\"a b\"", "c");
    expect_answer(table, "x:", "y");
    expect_answer(table, "long", "a  b");
    expect_answer(table, "novalue", "-");
    expect_said("/t, line 3: duplicate entry: \"foo\"");
    expect_said("/t, line 5: expected format: key whitespace value -- ignoring this line");
    expect_said("/t, line 6: record is in \"key: value\" format; is this an alias file?");
    expect_said("/t, line 7: unbalanced '\"' in '\"open z' -- ignoring this line");
    assert_false(table_changed(table));
    assert_null(table_first_changed());
    write_file("t", "a b\n");
    assert_true(table_changed(table));
    assert_string_equal(table_first_changed(), name);
    table_close(table);
    assert_null(table_first_changed());
    free(name);
}

static struct table_writer *open_writer(const char *name, enum table_write_mode mode)
{
    struct error error;
    struct table_writer *writer = table_writer_open(name, mode, &error);

    if (writer == NULL)
        fail_msg("%s", error.text);
    return writer;
}

static bool put(struct table_writer *writer, const char *key, const char *value, enum table_duplicate duplicates)
{
    struct error error;
    bool duplicate;

    assert_true(table_writer_put(writer, key, value, duplicates, &duplicate, &error));
    return duplicate;
}

static void join_entry(void *context, const char *key, const char *value)
{
    text_append_format(context, "%s=%s;", key, value);
}

static void indexed_files(void **state)
{
    char *name = memory_format("lmdb:%s/t", directory), *hash = memory_format("hash:%s/t", directory);
    struct error error;
    struct text all = {0};
    struct table_writer *writer = open_writer(hash, TABLE_REPLACE);
    struct table *table;
    bool existed;

    (void)state;
    assert_false(put(writer, "b", "2", TABLE_DUPLICATE_WARN));
    assert_false(put(writer, "a", "1 x", TABLE_DUPLICATE_WARN));
    assert_true(put(writer, "a", "other", TABLE_DUPLICATE_WARN));
    assert_true(table_writer_commit(writer, &error));
    table = table_open(name, &error);
    expect_answer(table, "A", "1 x");
    expect_answer(table, "", "-");
    table_set_exact(table, true);
    expect_answer(table, "A", "-");

    writer = open_writer(name, TABLE_UPDATE);
    assert_true(put(writer, "a", "new", TABLE_DUPLICATE_REPLACE));
    assert_true(table_writer_delete(writer, "b", &existed, &error) && existed);
    assert_true(table_writer_delete(writer, "b", &existed, &error) && !existed);
    expect_answer(table, "a", "1 x");
    assert_true(table_writer_commit(writer, &error));
    expect_answer(table, "a", "new"); /* the open table followed */
    expect_answer(table, "b", "-");

    writer = open_writer(name, TABLE_REPLACE);
    put(writer, "c", "3", TABLE_DUPLICATE_WARN);
    table_writer_abandon(writer);
    assert_true(table_walk(table, join_entry, &all, &error));
    assert_string_equal(text_string(&all), "a=new;");
    table_close(table);
    text_free(&all);
    free(name);
    free(hash);
}

/* More than one batch, and values larger than a page. */
static void large_indexed_files(void **state)
{
    enum { COUNT = 100000, LARGE = 33 * 1024 * 1024 };
    char *name = memory_format("lmdb:%s/u", directory), *large = memory_new(LARGE + 1), key[32];
    struct table_writer *writer = open_writer(name, TABLE_REPLACE);
    struct error error;
    struct table *table;
    struct text result = {0};

    (void)state;
    memset(large, 'x', LARGE);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "%u@example.com", i * 2654435761u);
        put(writer, key, "some value of usual length", TABLE_DUPLICATE_WARN);
    }
    put(writer, "large", large, TABLE_DUPLICATE_WARN);
    assert_true(table_writer_commit(writer, &error));
    table = table_open(name, &error);
    for (unsigned i = 0; i < COUNT; i += 977) {
        snprintf(key, sizeof key, "%u@example.com", i * 2654435761u);
        expect_answer(table, key, "some value of usual length");
    }
    assert_int_equal(table_lookup(table, "large", &result, &error), TABLE_FOUND);
    assert_int_equal(result.length, LARGE);
    text_free(&result);
    table_close(table);
    free(large);
    free(name);
}

static void damaged_indexed_files(void **state)
{
    char *name = memory_format("lmdb:%s/u", directory), *path = memory_format("%s/u.lmdb", directory);
    struct error error;

    (void)state;
    assert_int_equal(truncate(path, 65536), 0);
    assert_null(table_open_strictly(name, &error));
    assert_non_null(strstr(error.text, "the file is damaged"));
    write_file("u.lmdb", "this is no database at all, and never was one; it is a text that someone put here");
    expect(name, "a", "!");
    write_file("u.lmdb", "");
    expect(name, "a", "!");
    free(name);
    free(path);
}

static void a_first_file_obeys_umask_and_a_second_keeps_its_mode(void **state)
{
    char *name = memory_format("lmdb:%s/u", directory), *path = memory_format("%s/u.lmdb", directory);
    struct error error;
    struct stat status;
    mode_t before = umask(027);

    (void)state;
    unlink(path);
    assert_true(table_writer_commit(open_writer(name, TABLE_UPDATE), &error));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    chmod(path, 0604);
    assert_true(table_writer_commit(open_writer(name, TABLE_REPLACE), &error));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0604);
    umask(before);
    free(name);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inline_tables),
        cmocka_unit_test(small_types),
        cmocka_unit_test(what_cannot_be_opened_answers_error),
        cmocka_unit_test(lists_ask_in_order),
        cmocka_unit_test(texthash_reads_a_file),
        cmocka_unit_test(indexed_files),
        cmocka_unit_test(large_indexed_files),
        cmocka_unit_test(damaged_indexed_files),
        cmocka_unit_test(a_first_file_obeys_umask_and_a_second_keeps_its_mode),
    };
    int failed;

    log_set_sink(note);
    failed = cmocka_run_group_tests(tests, make_directory, remove_directory);
    text_free(&said);
    return failed;
}
