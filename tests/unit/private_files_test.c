/* Files that are watched, through links, and read when they have changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/memory.h"
#include "util/task/private_files.h"

struct place {
    char directory[32];
    char *file, *link, *other, *links;
    struct private_files *files;
};

static void put(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0 && fclose(file) == 0);
}

static int make_place(void **state)
{
    struct place *place = memory_new(sizeof *place);
    char *folder;

    strcpy(place->directory, "/tmp/private.XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    folder = memory_format("%s/real", place->directory);
    assert_int_equal(mkdir(folder, 0700), 0);
    place->file = memory_format("%s/file", folder);
    place->other = memory_format("%s/other", folder);
    place->links = memory_format("%s/folder", place->directory);
    place->link = memory_format("%s/folder/file", place->directory);
    assert_int_equal(symlink("real", place->links), 0);
    free(folder);
    put(place->file, "one");
    place->files = private_files_new();
    private_files_add(place->files, place->link);
    *state = place;
    return 0;
}

static int free_place(void **state)
{
    struct place *place = *state;
    char *command = memory_format("rm -r %s", place->directory);

    private_files_free(place->files);
    assert_int_equal(system(command), 0);
    free(command);
    free(place->file);
    free(place->link);
    free(place->other);
    free(place->links);
    free(place);
    return 0;
}

/* An ordinary user's process reads the file itself; so do tests, outside of tasks. */
static void assert_content(struct place *place, const char *wanted)
{
    struct text content = {0};
    struct error error;

    assert_true(private_files_read(place->files, 0, &content, &error));
    assert_string_equal(text_string(&content), wanted);
    text_wipe(&content);
    assert_false(private_files_changed(place->files, 0));
}

static void start(struct place *place)
{
    struct error error;

    assert_true(private_files_start(place->files, &error));
    assert_true(private_files_changed(place->files, 0));
    assert_content(place, "one");
}

static void written(void **state)
{
    struct place *place = *state;

    start(place);
    put(place->file, "two");
    assert_true(private_files_changed(place->files, 0));
    assert_content(place, "two");
}

static void replaced(void **state)
{
    struct place *place = *state;

    start(place);
    put(place->other, "two");
    assert_false(private_files_changed(place->files, 0));
    assert_int_equal(rename(place->other, place->file), 0);
    assert_true(private_files_changed(place->files, 0));
    assert_content(place, "two");
}

static void links_turned(void **state)
{
    struct place *place = *state;
    char *folder = memory_format("%s/next", place->directory), *file = memory_format("%s/next/file", place->directory);

    start(place);
    assert_int_equal(mkdir(folder, 0700), 0);
    put(file, "two");
    assert_false(private_files_changed(place->files, 0));
    assert_int_equal(unlink(place->links), 0);
    assert_int_equal(symlink("next", place->links), 0);
    assert_true(private_files_changed(place->files, 0));
    assert_content(place, "two");
    put(place->file, "nobody looks there now");
    assert_false(private_files_changed(place->files, 0));
    put(file, "three");
    assert_true(private_files_changed(place->files, 0));
    assert_content(place, "three");
    free(folder);
    free(file);
}

static void gone_and_back(void **state)
{
    struct place *place = *state;
    struct text content = {0};
    struct error error;

    start(place);
    assert_int_equal(unlink(place->file), 0);
    assert_true(private_files_changed(place->files, 0));
    assert_false(private_files_read(place->files, 0, &content, &error));
    assert_non_null(strstr(error.text, "folder/file: No such file or directory"));
    assert_false(private_files_changed(place->files, 0));
    put(place->file, "again");
    assert_true(private_files_changed(place->files, 0));
    assert_content(place, "again");
    text_free(&content);
}

static void link_to_itself(void **state)
{
    struct place *place = *state;
    struct text content = {0};
    struct error error;

    assert_int_equal(unlink(place->links), 0);
    assert_int_equal(symlink("folder", place->links), 0);
    assert_true(private_files_start(place->files, &error));
    assert_false(private_files_read(place->files, 0, &content, &error));
    text_free(&content);
}

static void same_path_once(void **state)
{
    struct place *place = *state;

    assert_int_equal(private_files_add(place->files, place->link), 0);
    assert_int_equal(private_files_add(place->files, place->file), 1);
    assert_int_equal(private_files_add(place->files, place->link), 0);
    assert_int_equal(private_files_count(place->files), 2);
    assert_string_equal(private_files_path(place->files, 1), place->file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(written, make_place, free_place),
        cmocka_unit_test_setup_teardown(replaced, make_place, free_place),
        cmocka_unit_test_setup_teardown(links_turned, make_place, free_place),
        cmocka_unit_test_setup_teardown(gone_and_back, make_place, free_place),
        cmocka_unit_test_setup_teardown(link_to_itself, make_place, free_place),
        cmocka_unit_test_setup_teardown(same_path_once, make_place, free_place),
    };

    return cmocka_run_group_tests_name("private files", tests, NULL, NULL);
}
