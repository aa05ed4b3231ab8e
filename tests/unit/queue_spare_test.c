/* Queue files that are used again, and commits of many at once. In a directory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mail/queue/queue_commit.h"
#include "mail/queue/spare.h"

static struct queue_layout *layout;

static int enter_directory(void **state)
{
    char name[] = "/tmp/queue_spare_test.XXXXXX";
    static const char *const queues[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_SPARE};

    assert_non_null(mkdtemp(name));
    assert_int_equal(chdir(name), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mkdir(queues[i], 0700), 0);
    layout = queue_layout_new(&(struct mail_config){.hash_queue_names = "deferred"});
    *state = strdup(name);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status;
    (void)type;
    (void)position;
    return remove(path);
}

static int leave_directory(void **state)
{
    assert_int_equal(chdir("/"), 0);
    nftw(*state, remove_one, 10, FTW_DEPTH | FTW_PHYS);
    queue_layout_free(layout);
    free(*state);
    return 0;
}

/* A delivered message; returns its inode. */
static ino_t make_file(const char *path, const char *content)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0700);
    struct stat status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    return status.st_ino;
}

static void assert_content(const char *path, const char *expected)
{
    char content[200] = "";
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, content, sizeof content - 1) >= 0);
    close(fd);
    assert_string_equal(content, expected);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void a_file_goes_round(void **state)
{
    ino_t inode = make_file("active/ABCDEF1", "the old message, which is longer");
    struct spare spare;
    struct queue_commit commit, *all[] = {&commit};

    (void)state;
    assert_true(spare_retire(layout, QUEUE_ACTIVE, "ABCDEF1", inode));
    assert_false(exists("active/ABCDEF1"));
    assert_true(spare_take(inode, &spare));
    assert_int_equal(spare.size, 32);
    assert_int_equal(pwrite(spare.fd, "new", 3, 0), 3);
    commit = (struct queue_commit){.fd = spare.fd, .length = 3, .old_length = spare.size, .from = spare.path,
                                   .path = "incoming/ABCDEF2", .directory_fd = open("incoming", O_RDONLY)};
    assert_false(exists("incoming/ABCDEF2")); /* no name before its content is on disk */
    queue_commit_all(all, 1);
    assert_int_equal(commit.error, 0);
    assert_content("incoming/ABCDEF2", "new");
    assert_false(exists(spare.path));
    close(spare.fd);
    close(commit.directory_fd);
}

static void a_spare_in_use_is_nobody_elses(void **state)
{
    ino_t inode = make_file("active/ABCDEF3", "x");
    struct spare first, second;

    (void)state;
    assert_true(spare_retire(layout, QUEUE_ACTIVE, "ABCDEF3", inode));
    assert_true(spare_take(inode, &first));
    assert_false(spare_take(inode, &second));
    spare_remove_all();
    assert_true(exists(first.path));
    close(first.fd);
    spare_remove_all();
    assert_false(exists(first.path));
    assert_false(spare_take(inode, &second));
}

/* A link would change two files at once; a directory, or what a symbolic link leads to, is no queue file. */
static void what_is_not_fit_is_left_alone(void **state)
{
    char path[QUEUE_PATH_SIZE];
    ino_t inode = make_file("active/ABCDEF4", "x");
    struct spare spare;

    (void)state;
    assert_true(spare_retire(layout, QUEUE_ACTIVE, "ABCDEF4", inode));
    assert_int_equal(link(spare_path(inode, path), "active/ABCDEF5"), 0);
    assert_false(spare_take(inode, &spare));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("../active/ABCDEF5", path), 0);
    assert_false(spare_take(inode, &spare));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(spare_take(inode, &spare));
    assert_content("active/ABCDEF5", "x");
}

/* postsuper -e and postqueue -i leave bits on a file that must not stay when it is another message's. */
static void its_mode_is_as_a_new_ones(void **state)
{
    char path[QUEUE_PATH_SIZE];
    ino_t inode = make_file("active/ABCDEF6", "x");
    struct spare spare;
    struct stat status;

    (void)state;
    assert_int_equal(chmod("active/ABCDEF6", QUEUE_MODE_READY | QUEUE_BIT_EXPIRE | QUEUE_BIT_UNTHROTTLE), 0);
    assert_true(spare_retire(layout, QUEUE_ACTIVE, "ABCDEF6", inode));
    assert_true(spare_take(inode, &spare));
    assert_int_equal(stat(spare_path(inode, path), &status), 0);
    assert_int_equal(status.st_mode & 07777, QUEUE_MODE_READY);
    close(spare.fd);
}

static void one_that_fails_fails_alone(void **state)
{
    ino_t inode = make_file("incoming/ABCDEF7", "whole");
    int directory = open("incoming", O_RDONLY), good = open("incoming/ABCDEF7", O_RDWR);
    struct queue_commit commits[] = {
        {.fd = -1, .length = 1, .path = "incoming/ABCDEF8", .directory_fd = directory},
        {.fd = good, .length = 5, .path = "incoming/ABCDEF7", .directory_fd = directory},
        {.fd = good, .length = 5, .from = "spare/gone", .path = "incoming/ABCDEF9", .directory_fd = directory},
    };
    struct queue_commit *all[] = {&commits[0], &commits[1], &commits[2]};

    (void)state;
    (void)inode;
    queue_commit_all(all, 3);
    assert_int_not_equal(commits[0].error, 0);
    assert_int_equal(commits[1].error, 0);
    assert_int_not_equal(commits[2].error, 0);
    close(directory);
    close(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_goes_round, enter_directory, leave_directory),
        cmocka_unit_test_setup_teardown(a_spare_in_use_is_nobody_elses, enter_directory, leave_directory),
        cmocka_unit_test_setup_teardown(what_is_not_fit_is_left_alone, enter_directory, leave_directory),
        cmocka_unit_test_setup_teardown(its_mode_is_as_a_new_ones, enter_directory, leave_directory),
        cmocka_unit_test_setup_teardown(one_that_fails_fails_alone, enter_directory, leave_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
