/* What a service with SANDBOX_READ_ONLY (smtpd) can still do to files: read them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mail/service/internal.h"

enum { LANDLOCK_VERSION_FLAG = 1 };

static bool kernel_has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION_FLAG) >= 1;
}

/* In the child: the number of the first thing that was allowed, or 0. */
static int try_everything(const char *directory)
{
    char file[100], other[100];
    struct error error;

    snprintf(file, sizeof file, "%s/file", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    if (!service_enter_sandbox(SANDBOX_READ_ONLY, &error))
        return 1;
    if (open(file, O_RDONLY) < 0)
        return 2;
    if (open(file, O_WRONLY) >= 0 || errno != EACCES)
        return 3;
    if (open(other, O_WRONLY | O_CREAT, 0600) >= 0 || errno != EACCES)
        return 4;
    if (unlink(file) == 0 || errno != EACCES)
        return 5;
    if (rename(file, other) == 0)
        return 6;
    if (mkdir(other, 0700) == 0 || errno != EACCES)
        return 7;
    execl("/bin/true", "true", NULL);
    return errno == EACCES ? 0 : 8;
}

static void sandboxed_process_only_reads(void **unused)
{
    char directory[] = "/tmp/postern-unit-XXXXXX", file[100];
    int status;
    pid_t child;

    (void)unused;
    if (!kernel_has_landlock())
        skip();
    assert_non_null(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/file", directory);
    close(open(file, O_WRONLY | O_CREAT, 0600));
    child = fork();
    if (child == 0)
        _exit(try_everything(directory));
    assert_int_equal(waitpid(child, &status, 0), child);
    unlink(file);
    rmdir(directory);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sandboxed_process_only_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
