#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mail/service/internal.h"

/* Only root can become somebody else. An instance that an ordinary user started has no privileges to drop. */
bool service_drop_privileges(const struct service_arguments *arguments, const struct mail_config *mail,
                             struct error *error)
{
    const struct passwd *owner = NULL;

    if (geteuid() == 0 && arguments->unprivileged && (owner = getpwnam(mail->mail_owner)) == NULL)
        return error_set(error, "mail_owner = %s: no such user", mail->mail_owner);
    if (owner != NULL && initgroups(owner->pw_name, owner->pw_gid) != 0)
        return error_set(error, "initgroups %s: %s", owner->pw_name, strerror(errno));
    if (geteuid() == 0 && arguments->chroot && (chroot(mail->queue_directory) != 0 || chdir("/") != 0))
        return error_set(error, "chroot %s: %s", mail->queue_directory, strerror(errno));
    if (owner != NULL && (setgid(owner->pw_gid) != 0 || setuid(owner->pw_uid) != 0))
        return error_set(error, "cannot become %s: %s", owner->pw_name, strerror(errno));
    if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set(error, "prctl no_new_privs: %s", strerror(errno));
    return true;
}

/* Landlock, ABI 1 (Linux 5.13): what the ruleset handles and no rule allows is refused from now on. */
bool service_enter_sandbox(enum service_sandbox sandbox, struct error *error)
{
    const struct landlock_ruleset_attr refused = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                             LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                             LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
    };
    int ruleset;
    bool entered;

    if (sandbox == SANDBOX_NONE)
        return true;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* without it only root may restrict itself */
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &refused, sizeof refused, 0);
    if (ruleset < 0) /* an older kernel, or landlock is off: user and root directory must do */
        return true;
    entered = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (!entered)
        error_set(error, "landlock: %s", strerror(errno));
    close(ruleset);
    return entered;
}
