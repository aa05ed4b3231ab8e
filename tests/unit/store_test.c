/* The store: what is kept, walks, batches, a process that is killed, damaged files, a full one, a reader beside the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/store.h"

enum { SIZE = 1024 * 1024 };

static struct text said;
static char directory[] = "/tmp/store_test.XXXXXX";
static char *path;

static void note(enum log_level level, const char *line)
{
    (void)level;
    text_append_format(&said, "%s\n", line);
}

static void remove_files(void)
{
    static const char *const ends[] = {"", "-lock", ".damaged"};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *name = memory_format("%s%s", path, ends[i]);

        unlink(name);
        free(name);
    }
}

static int make_directory(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    path = memory_format("%s/s.lmdb", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    remove_files();
    free(path);
    return rmdir(directory);
}

static int fresh(void **state)
{
    (void)state;
    remove_files();
    text_clear(&said);
    return 0;
}

static struct store *open_store(void)
{
    struct error error = {{0}};
    struct store *store = store_open(path, SIZE, true, &error);

    if (store == NULL)
        fail_msg("%s", error.text);
    return store;
}

static void put(struct store *store, const char *key, const char *value)
{
    struct error error = {{0}};

    if (!store_put(store, key, value, strlen(value), &error))
        fail_msg("%s", error.text);
}

/* NULL: not there. */
static void expect(struct store *store, const char *key, const char *wanted)
{
    struct text value = {0};
    struct error error;
    bool found = store_get(store, key, &value, &error);

    assert_string_equal(error.text, "");
    assert_int_equal(found, wanted != NULL);
    if (found)
        assert_string_equal(text_string(&value), wanted);
    text_free(&value);
}

static void what_is_put_is_there_after_an_end(void **state)
{
    struct store *store = open_store();
    struct error error;
    struct stat status;

    (void)state;
    put(store, "a", "1");
    put(store, "b", "2");
    put(store, "b", "3");
    put(store, "c", "");
    assert_true(store_remove(store, "a", &error));
    assert_true(store_remove(store, "never", &error));
    store_close(store);
    store = open_store();
    expect(store, "a", NULL);
    expect(store, "b", "3");
    expect(store, "c", "");
    store_close(store);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_string_equal(text_string(&said), "");
}

static void keys_have_a_limit(void **state)
{
    struct store *store = open_store();
    struct error error = {{0}};
    char key[STORE_KEY_LIMIT + 2];

    (void)state;
    memset(key, 'k', sizeof key);
    key[STORE_KEY_LIMIT + 1] = '\0';
    assert_false(store_put(store, key, "x", 1, &error));
    assert_string_not_equal(error.text, "");
    key[STORE_KEY_LIMIT] = '\0';
    put(store, key, "x");
    expect(store, key, "x");
    store_close(store);
}

struct walk {
    struct store *store;
    struct text seen;
    int left; /* stop after so many */
};

static bool see(void *context, const char *key, const void *bytes, size_t length)
{
    struct walk *walk = context;
    struct error error;

    text_append_format(&walk->seen, "%s=%.*s ", key, (int)length, (const char *)bytes);
    assert_true(store_remove(walk->store, key, &error));
    put(walk->store, "p-9", "new");
    return --walk->left > 0;
}

static void expect_walk(struct store *store, const char *prefix, int count, const char *wanted)
{
    struct walk walk = {.store = store, .left = count};
    struct error error;

    assert_true(store_each(store, prefix, see, &walk, &error));
    assert_string_equal(text_string(&walk.seen), wanted);
    text_free(&walk.seen);
}

static void a_walk_sees_the_store_as_it_was(void **state)
{
    struct store *store = open_store();

    (void)state;
    expect_walk(store, "", 10, "");
    put(store, "p-1", "x");
    put(store, "p-3", "z");
    put(store, "p-2", "y");
    put(store, "q", "other");
    put(store, "o", "other");
    expect_walk(store, "p-", 2, "p-1=x p-2=y ");
    expect_walk(store, "p-", 10, "p-3=z p-9=new ");
    expect_walk(store, "r", 10, "");
    expect_walk(store, "", 1, "o=other ");
    expect(store, "p-9", "new");
    store_close(store);
}

static void a_batch_is_all_or_nothing(void **state)
{
    struct store *store = open_store();
    struct error error = {{0}};

    (void)state;
    assert_true(store_begin(store, &error));
    put(store, "a", "1");
    expect(store, "a", "1");
    put(store, "b", "2");
    store_close(store);
    store = open_store();
    expect(store, "a", NULL);
    assert_true(store_begin(store, &error));
    put(store, "a", "1");
    put(store, "b", "2");
    assert_true(store_commit(store, &error));
    assert_true(store_begin(store, &error));
    put(store, "a", "changed");
    assert_false(store_put(store, "", "x", 1, &error));
    assert_false(store_commit(store, &error));
    expect(store, "a", "1");
    expect(store, "b", "2");
    store_close(store);
}

/* The child ends in the middle of a batch, without closing anything. */
static void a_killed_writer_leaves_what_it_committed(void **state)
{
    struct store *store;
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        struct error error;

        store = open_store();
        put(store, "kept", "1");
        store_begin(store, &error);
        put(store, "lost", "1");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    store = open_store();
    expect(store, "kept", "1");
    expect(store, "lost", NULL);
    put(store, "more", "1");
    store_close(store);
    assert_string_equal(text_string(&said), "");
}

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void expect_begun_anew(void)
{
    struct store *store = open_store();
    char *aside = memory_format("%s.damaged", path);

    assert_non_null(strstr(text_string(&said), "is damaged"));
    assert_int_equal(access(aside, F_OK), 0);
    put(store, "a", "1");
    expect(store, "a", "1");
    store_close(store);
    text_clear(&said);
    free(aside);
}

static void a_damaged_file_is_set_aside(void **state)
{
    struct store *store;
    struct text value = {0};
    struct error error;

    (void)state;
    write_file("this is no database at all, and never was one; it is a text that someone put here");
    assert_null(store_open_to_read(path, &error));
    expect_begun_anew();
    store = open_store();
    for (int i = 0; i < 100000; i++)
        text_append_char(&value, 'v');
    put(store, "long", text_string(&value));
    store_close(store);
    assert_int_equal(truncate(path, 16384), 0);
    expect_begun_anew();
    text_free(&value);
}

static void a_full_store_says_so_and_goes_on(void **state)
{
    struct store *store = open_store();
    struct text value = {0};
    struct error error = {{0}};
    char key[16];
    int count = 0;

    (void)state;
    for (int i = 0; i < 3000; i++)
        text_append_char(&value, 'v');
    do
        snprintf(key, sizeof key, "key-%06d", count++);
    while (count < 10000 && store_put(store, key, value.data, value.length, &error));
    assert_in_range(count, 100, 400);
    assert_non_null(strstr(error.text, "s.lmdb: "));
    expect(store, "key-000000", text_string(&value));
    assert_true(store_remove(store, "key-000000", &error));
    put(store, "small", "1");
    store_close(store);
    store = open_store();
    expect(store, "small", "1");
    store_close(store);
    text_free(&value);
}

static void another_process_reads_meanwhile(void **state)
{
    struct store *store = open_store();
    pid_t child;
    int status;

    (void)state;
    put(store, "a", "1");
    store_close(store);
    child = fork();
    if (child == 0) {
        struct error error;
        struct store *reader = store_open_to_read(path, &error);

        expect(reader, "a", "1");
        _exit(store_put(reader, "b", "2", 1, &error) ? 1 : 7);
    }
    store = open_store();
    put(store, "b", "2");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
    store_close(store);
}

static void where_nothing_can_be_made_an_error_says_why(void **state)
{
    struct error error;

    (void)state;
    assert_null(store_open("/nonexistent/s.lmdb", SIZE, false, &error));
    assert_string_equal(error.text, "open database /nonexistent/s.lmdb: No such file or directory");
    assert_null(store_open_to_read(path, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_put_is_there_after_an_end, fresh),
        cmocka_unit_test_setup(keys_have_a_limit, fresh),
        cmocka_unit_test_setup(a_walk_sees_the_store_as_it_was, fresh),
        cmocka_unit_test_setup(a_batch_is_all_or_nothing, fresh),
        cmocka_unit_test_setup(a_killed_writer_leaves_what_it_committed, fresh),
        cmocka_unit_test_setup(a_damaged_file_is_set_aside, fresh),
        cmocka_unit_test_setup(a_full_store_says_so_and_goes_on, fresh),
        cmocka_unit_test_setup(another_process_reads_meanwhile, fresh),
        cmocka_unit_test_setup(where_nothing_can_be_made_an_error_says_why, fresh),
    };
    int failed;

    log_set_sink(note);
    failed = cmocka_run_group_tests(tests, make_directory, remove_directory);
    text_free(&said);
    return failed;
}
