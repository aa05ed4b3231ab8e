/* The directories that an instance needs, and whom they belong to. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/postfix_commands.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum owner { OWNED_BY_ROOT, OWNED_BY_MAIL, OWNED_BY_MAIL_AND_DROP };

static const struct place {
    const char *name; /* below queue_directory */
    mode_t mode;
    enum owner owner;
} places[] = {
    {".", 0755, OWNED_BY_ROOT},          {"pid", 0755, OWNED_BY_ROOT},
    {"incoming", 0700, OWNED_BY_MAIL},   {"active", 0700, OWNED_BY_MAIL},
    {"deferred", 0700, OWNED_BY_MAIL},   {"hold", 0700, OWNED_BY_MAIL},
    {"corrupt", 0700, OWNED_BY_MAIL},    {"bounce", 0700, OWNED_BY_MAIL},
    {"defer", 0700, OWNED_BY_MAIL},      {"trace", 0700, OWNED_BY_MAIL},
    {"flush", 0700, OWNED_BY_MAIL},      {"saved", 0700, OWNED_BY_MAIL},
    {"spare", 0700, OWNED_BY_MAIL},
    {"private", 0700, OWNED_BY_MAIL},    {"maildrop", 01730, OWNED_BY_MAIL_AND_DROP},
    {"public", 02710, OWNED_BY_MAIL_AND_DROP},
};
enum { PLACE_COUNT = sizeof places / sizeof *places };

/* Who owns what. An ordinary user's instance belongs to that user alone. */
struct owners {
    bool privileged;
    uid_t mail;
    gid_t drop;
};

static struct owners find_owners(const struct mail_config *mail)
{
    struct owners owners = {.privileged = geteuid() == 0, .mail = geteuid(), .drop = getegid()};
    const struct passwd *owner = getpwnam(mail->mail_owner);
    const struct group *group = getgrnam(mail->setgid_group);

    if (!owners.privileged)
        return owners;
    if (owner == NULL)
        die("mail_owner = %s: no such user", mail->mail_owner);
    if (group == NULL)
        die("setgid_group = %s: no such group", mail->setgid_group);
    owners.mail = owner->pw_uid;
    owners.drop = group->gr_gid;
    return owners;
}

static char *place_path(const struct mail_config *mail, const struct place *place)
{
    if (string_equal(place->name, "."))
        return memory_copy_string(mail->queue_directory);
    if (string_equal(place->name, "pid"))
        return memory_format("%s/%s", mail->queue_directory, mail->process_id_directory);
    return memory_format("%s/%s", mail->queue_directory, place->name);
}

static uid_t wanted_user(const struct owners *owners, const struct place *place)
{
    return place->owner == OWNED_BY_ROOT && owners->privileged ? 0 : owners->mail;
}

/* The owner first: chown takes the set-gid bit away. */
static bool set_owner_and_mode(const char *path, const struct owners *owners, const struct place *place)
{
    gid_t group = place->owner == OWNED_BY_MAIL_AND_DROP ? owners->drop : (gid_t)-1;

    if (owners->privileged && lchown(path, wanted_user(owners, place), group) != 0)
        log_error(NULL, "chown %s: %s", path, strerror(errno));
    else if (chmod(path, place->mode) != 0)
        log_error(NULL, "chmod %s: %s", path, strerror(errno));
    else
        return true;
    return false;
}

static bool is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool create_place(const struct mail_config *mail, const struct owners *owners, const struct place *place)
{
    char *path = place_path(mail, place);
    bool made = mkdir(path, 0700) == 0, ok = made || errno == EEXIST;

    if (!ok)
        log_error(NULL, "mkdir %s: %s", path, strerror(errno));
    else if (!made && (ok = is_directory(path)) == false)
        log_error(NULL, "%s is no directory", path);
    else if (made)
        ok = set_owner_and_mode(path, owners, place);
    free(path);
    return ok;
}

static bool create_data_directory(const struct mail_config *mail, const struct owners *owners)
{
    if (mkdir(mail->data_directory, 0700) != 0) {
        if (errno != EEXIST)
            log_error(NULL, "mkdir %s: %s", mail->data_directory, strerror(errno));
        return errno == EEXIST;
    }
    if (!owners->privileged || lchown(mail->data_directory, owners->mail, (gid_t)-1) == 0)
        return true;
    log_error(NULL, "chown %s: %s", mail->data_directory, strerror(errno));
    return false;
}

bool postfix_layout_create(struct postfix_command *command)
{
    struct owners owners = find_owners(&command->mail);
    bool ok = true;

    for (size_t i = 0; ok && i < PLACE_COUNT; i++)
        ok = create_place(&command->mail, &owners, &places[i]);
    return ok && create_data_directory(&command->mail, &owners);
}

/* ---- warnings ---- */

static void check_owner(const char *path, const struct stat *status, uid_t wanted, const char *name)
{
    if (status->st_uid != wanted)
        log_warning(NULL, "not owned by %s: %s", name, path);
}

static void check_place(const struct mail_config *mail, const struct owners *owners, const struct place *place)
{
    char *path = place_path(mail, place);
    const char *owner = place->owner == OWNED_BY_ROOT ? "root" : mail->mail_owner;
    struct stat status;

    if (lstat(path, &status) == 0) {
        if (owners->privileged)
            check_owner(path, &status, wanted_user(owners, place), owner);
        if (owners->privileged && place->owner == OWNED_BY_MAIL_AND_DROP && status.st_gid != owners->drop)
            log_warning(NULL, "not owned by group %s: %s", mail->setgid_group, path);
        if ((status.st_mode & 0777 & ~place->mode) != 0)
            log_warning(NULL, "permissions %04o are more than %04o: %s", (unsigned)(status.st_mode & 07777),
                        (unsigned)place->mode, path);
    }
    free(path);
}

static void check_configuration_file(const struct postfix_command *command, const char *name)
{
    char *path = memory_format("%s/%s", command->directory, name);
    struct stat status;

    if (stat(path, &status) == 0) {
        if (geteuid() == 0)
            check_owner(path, &status, 0, "root");
        if ((status.st_mode & 022) != 0)
            log_warning(NULL, "group or other writable: %s", path);
    }
    free(path);
}

static void check_set_gid_command(const struct postfix_command *command, const struct owners *owners,
                                  const char *name)
{
    char *path = memory_format("%s/%s", command->mail.command_directory, name);
    struct stat status;

    if (owners->privileged && stat(path, &status) == 0) {
        if (status.st_gid != owners->drop)
            log_warning(NULL, "not owned by group %s: %s", command->mail.setgid_group, path);
        if ((status.st_mode & 02111) != 02111)
            log_warning(NULL, "not set-gid or not owner+group+world executable: %s", path);
    }
    free(path);
}

void postfix_layout_check(struct postfix_command *command)
{
    struct owners owners = find_owners(&command->mail);
    struct stat status;

    for (size_t i = 0; i < PLACE_COUNT; i++)
        check_place(&command->mail, &owners, &places[i]);
    if (owners.privileged && lstat(command->mail.data_directory, &status) == 0)
        check_owner(command->mail.data_directory, &status, owners.mail, command->mail.mail_owner);
    check_configuration_file(command, ".");
    check_configuration_file(command, "main.cf");
    check_configuration_file(command, "master.cf");
    check_set_gid_command(command, &owners, "postqueue");
    check_set_gid_command(command, &owners, "postdrop");
}

/* ---- set-permissions ---- */

static bool repair_set_gid_command(const struct postfix_command *command, const struct owners *owners,
                                   const char *name)
{
    char *path = memory_format("%s/%s", command->mail.command_directory, name);
    bool ok = !owners->privileged || access(path, F_OK) != 0 ||
              (chown(path, 0, owners->drop) == 0 && chmod(path, 02755) == 0);

    if (!ok)
        log_error(NULL, "%s: %s", path, strerror(errno));
    free(path);
    return ok;
}

bool postfix_layout_repair(struct postfix_command *command)
{
    struct owners owners = find_owners(&command->mail);
    bool ok = postfix_layout_create(command);

    for (size_t i = 0; ok && i < PLACE_COUNT; i++) {
        char *path = place_path(&command->mail, &places[i]);

        ok = set_owner_and_mode(path, &owners, &places[i]);
        free(path);
    }
    return ok && repair_set_gid_command(command, &owners, "postqueue") &&
           repair_set_gid_command(command, &owners, "postdrop");
}

int postfix_set_permissions(struct postfix_command *command)
{
    struct error error;

    for (char **word = command->words; *word != NULL; word++)
        if (!config_override(command->config, *word, &error))
            die("%s", error.text);
    if (!config_fill(command->config, &mail_parameters, &command->mail, &error))
        die("%s", error.text);
    if (!postfix_layout_repair(command))
        return 1;
    return postfix_settings_write(command);
}
