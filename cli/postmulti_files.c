#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/postconf.h"
#include "cli/postfix_commands.h"
#include "cli/postmulti.h"
#include "mail/queue/queue.h"
#include "mail/queue/spare.h"
#include "util/base/log.h"
#include "util/base/memory.h"

void instance_set(const char *directory, char *const *settings)
{
    postconf_edit_main_cf(directory, EDIT_SET, settings);
}

/* ---- create ---- */

/* What instances of one system have in common. */
static const char *const shared[] = {
    "compatibility_level", "command_directory", "daemon_directory", "mail_owner",      "setgid_group",
    "sendmail_path",       "mailq_path",        "newaliases_path",  "inet_protocols", "maillog_file_prefixes",
};

static void make_directory(const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        die("mkdir %s: %s", path, strerror(errno));
}

static void write_file(const char *path, const struct text *content)
{
    FILE *file = fopen(path, "wx");

    if (file == NULL)
        die("create %s: %s", path, strerror(errno));
    if (fwrite(text_string(content), 1, content->length, file) < content->length || fflush(file) != 0 ||
        fchmod(fileno(file), 0644) < 0 || fsync(fileno(file)) < 0)
        die("write %s: %s", path, strerror(errno));
    fclose(file);
}

static bool read_file(const char *path, struct text *content)
{
    FILE *file = fopen(path, "r");
    char bytes[8192];
    size_t got;

    if (file == NULL)
        return false;
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0)
        text_append_bytes(content, bytes, got);
    fclose(file);
    return true;
}

/* The stock file NAME.proto, where there is one. */
static bool read_stock(const struct postmulti *postmulti, const char *name, struct text *content)
{
    const char *meta = config_get(postmulti->config, "meta_directory");
    char *path = memory_format("%s/%s.proto", meta != NULL ? meta : config_directory(postmulti->config), name);
    bool found = read_file(path, content);

    free(path);
    return found;
}

static void create_main_cf(const struct postmulti *postmulti, const struct instance_place *place)
{
    char *path = memory_format("%s/main.cf", place->config_directory);
    char *settings[sizeof shared / sizeof *shared + 5] = {NULL};
    struct text content = {0};
    size_t count = 0;

    if (!read_stock(postmulti, "main.cf", &content))
        text_append(&content, "# Every parameter is explained in postconf(5).\n\n");
    write_file(path, &content);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (config_get_raw(postmulti->config, shared[i]) != NULL)
            settings[count++] = memory_format("%s = %s", shared[i], config_get_raw(postmulti->config, shared[i]));
    settings[count++] = memory_copy_string("master_service_disable = inet");
    settings[count++] = memory_copy_string("authorized_submit_users =");
    settings[count++] = memory_format("queue_directory = %s", place->queue_directory);
    settings[count++] = memory_format("data_directory = %s", place->data_directory);
    instance_set(place->config_directory, settings);
    while (count > 0)
        free(settings[--count]);
    text_free(&content);
    free(path);
}

static void create_master_cf(const struct postmulti *postmulti, const struct instance_place *place)
{
    char *path = memory_format("%s/master.cf", place->config_directory);
    char *ours = memory_format("%s/master.cf", config_directory(postmulti->config));
    struct text content = {0};

    if (!read_stock(postmulti, "master.cf", &content) && !read_file(ours, &content))
        die("open %s: %s", ours, strerror(errno));
    write_file(path, &content);
    text_free(&content);
    free(path);
    free(ours);
}

static void create_queue(const char *directory)
{
    struct postfix_command command = {.directory = directory};
    struct error error;

    command.config = config_load(directory, &error);
    if (command.config == NULL || !config_fill(command.config, &mail_parameters, &command.mail, &error))
        die("%s", error.text);
    if (!postfix_layout_create(&command))
        die("%s: the directories cannot be made", directory);
    config_free(command.config);
}

void instance_create(const struct postmulti *postmulti, const struct instance_place *place)
{
    umask(022);
    make_directory(place->config_directory);
    create_main_cf(postmulti, place);
    create_master_cf(postmulti, place);
    create_queue(place->config_directory);
}

/* ---- destroy ---- */

static void remove_directory(const char *path)
{
    if (rmdir(path) == 0 || errno == ENOENT)
        return;
    log_warning(NULL, "%s: %s", path, strerror(errno));
    log_warning(NULL, "%s: please verify contents and remove by hand", path);
}

static void remove_file(const char *path)
{
    if (unlink(path) < 0 && errno != ENOENT)
        log_warning(NULL, "remove %s: %s", path, strerror(errno));
}

/* What services make there: sockets, locks, caches, and the subdirectories of hashed queues. Nothing that is a
 * message is touched. */
static void clear_directory(const char *path, bool files)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    struct stat status;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char *inner = memory_format("%s/%s", path, entry->d_name);

        if (entry->d_name[0] == '.' || lstat(inner, &status) < 0) {
            free(inner);
            continue;
        }
        if (S_ISDIR(status.st_mode) && strlen(entry->d_name) == 1) {
            clear_directory(inner, files);
            remove_directory(inner);
        } else if (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode) || (files && S_ISREG(status.st_mode))) {
            remove_file(inner);
        }
        free(inner);
    }
    if (directory != NULL)
        closedir(directory);
}

static const char *const queues[] = {QUEUE_MAILDROP, QUEUE_HOLD, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED};
static const char *const others[] = {QUEUE_CORRUPT, QUEUE_DEFER, QUEUE_BOUNCE, QUEUE_TRACE, "saved"};
static const char *const working[] = {"flush", QUEUE_SPARE, "private", "public", "pid"};
enum {
    QUEUE_COUNT = sizeof queues / sizeof *queues,
    OTHER_COUNT = sizeof others / sizeof *others,
    WORKING_COUNT = sizeof working / sizeof *working,
};

static void refuse_mail(const struct instance *instance)
{
    for (size_t i = 0; i < QUEUE_COUNT; i++) {
        char *path = memory_format("%s/%s", instance->queue_directory, queues[i]);
        struct queue_scan *scan = queue_scan_open(path);

        if (scan != NULL && queue_scan_next(scan) != NULL)
            die("Cannot remove instances with mail in their queue: %s", path);
        queue_scan_close(scan);
        free(path);
    }
}

static void refuse_running(const struct instance *instance)
{
    struct postfix_command command = {.directory = instance->directory};
    struct error error;

    command.config = config_load(instance->directory, &error);
    if (command.config == NULL || !config_fill(command.config, &mail_parameters, &command.mail, &error))
        die("%s", error.text);
    if (postfix_master_pid(&command) != 0)
        die("Instance %s is running, cannot remove: 'postfix -c %s stop' first", instance->directory,
            instance->directory);
    config_free(command.config);
}

static void remove_below(const struct instance *instance, const char *const *names, size_t count, bool files)
{
    for (size_t i = 0; i < count; i++) {
        char *path = memory_format("%s/%s", instance->queue_directory, names[i]);

        clear_directory(path, files);
        remove_directory(path);
        free(path);
    }
}

void instance_destroy(const struct instance *instance)
{
    char *main_cf = memory_format("%s/main.cf", instance->directory);
    char *master_cf = memory_format("%s/master.cf", instance->directory);

    refuse_running(instance);
    refuse_mail(instance);
    remove_below(instance, queues, QUEUE_COUNT, false);
    remove_below(instance, others, OTHER_COUNT, false);
    remove_below(instance, working, WORKING_COUNT, true);
    remove_directory(instance->queue_directory);
    clear_directory(instance->data_directory, true);
    remove_directory(instance->data_directory);
    remove_file(main_cf);
    remove_file(master_cf);
    remove_directory(instance->directory);
    free(main_cf);
    free(master_cf);
}
