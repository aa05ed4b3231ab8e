/* Names and places of queue files: after a restore from backup inodes have changed, after a change of
 * hash_queue_names files are in the wrong directory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/queue_operation.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

enum { TEMPORARY_AGE = 7 * 24 * 3600 }; /* seconds after which nobody is writing a file any more */

/* A new name carries this until all old names are out of the way: two files may have swapped theirs. */
static const char pending_suffix[] = "#";

static const char *const message_queues[] = {QUEUE_MAILDROP, QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD,
                                             NULL};
static const char *const other_queues[] = {QUEUE_DEFER, QUEUE_BOUNCE, QUEUE_TRACE, "flush", NULL};
static const char *const log_queues[] = {QUEUE_BOUNCE, QUEUE_DEFER, QUEUE_TRACE, NULL};

static bool is_in(const char *const *list, const char *queue)
{
    for (; *list != NULL; list++)
        if (string_equal(*list, queue))
            return true;
    return false;
}

bool queue_operation_knows(const char *queue)
{
    return is_in(message_queues, queue) || is_in(other_queues, queue);
}

/* ---- every file of a queue, whatever its name ---- */

/* What the directory tells: a large queue is not asked about each of its files. */
struct file {
    const char *path, *name;
    ino_t inode;
};

struct walk {
    struct queue_command *command;
    const char *queue;
    int what;
    bool messages; /* not logs */
    struct queue_operation_counts *counts;
    void (*file)(struct walk *walk, const struct file *file);
};

static bool is_directory(const char *path, const struct dirent *entry)
{
    struct stat file;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return lstat(path, &file) == 0 && S_ISDIR(file.st_mode);
}

static void walk_directory(struct walk *walk, const char *directory)
{
    DIR *stream = opendir(directory);
    struct dirent *entry;
    struct text path = {0};

    if (stream == NULL && errno != ENOENT) {
        walk->counts->failed++;
        log_warning(NULL, "open directory %s: %s", directory, strerror(errno));
    }
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        if (string_equal(entry->d_name, ".") || string_equal(entry->d_name, ".."))
            continue;
        text_clear(&path);
        text_append(&path, directory);
        text_append_char(&path, '/');
        text_append(&path, entry->d_name);
        if (!is_directory(path.data, entry))
            walk->file(walk, &(struct file){path.data, entry->d_name, entry->d_ino});
        else if (strlen(entry->d_name) == 1)
            walk_directory(walk, path.data);
        else
            log_warning(NULL, "bogus directory: %s", path.data);
    }
    text_free(&path);
    if (stream != NULL)
        closedir(stream);
}

/* ---- purge ---- */

static void purge_file(struct walk *walk, const struct file *file)
{
    struct stat status;

    if (!walk->messages || lstat(file->path, &status) < 0 || !S_ISREG(status.st_mode) ||
        (status.st_mode & S_IXUSR) != 0)
        return;
    if (time(NULL) - status.st_mtime <= TEMPORARY_AGE || unlink(file->path) == 0)
        return;
    walk->counts->failed++;
    log_warning(NULL, "remove file %s: %s", file->path, strerror(errno));
}

/* ---- names ---- */

/* A file that has gone its way meanwhile is no failure, but not renamed either. */
static bool rename_file(struct queue_operation_counts *counts, const char *from, const char *to)
{
    if (rename(from, to) == 0) {
        log_debug(1, "renamed file %s as %s", from, to);
        return true;
    }
    counts->failed += errno != ENOENT;
    if (errno != ENOENT)
        log_warning(NULL, "rename file %s as %s: %s", from, to, strerror(errno));
    return false;
}

/* The time in an ID, to the microsecond for a long one; a short one knows no seconds. */
static struct timespec time_in(const char *id)
{
    char digits[6] = "";
    struct timespec when = {0};

    if (queue_id_is_long(id)) {
        char hash[QUEUE_ID_SIZE];

        queue_id_hash(id, hash);
        memcpy(digits, hash, 5);
    } else {
        memcpy(digits, id, 5);
    }
    when.tv_nsec = strtol(digits, NULL, 16) * 1000;
    return when;
}

/* Is this an ID that goes with a file of that inode? */
static bool is_right(const struct walk *walk, const char *id, ino_t inode)
{
    bool is_long = queue_id_is_long(id);

    if (is_long && !walk->command->mail.enable_long_queue_ids)
        return false;
    return (is_long && !(walk->what & REPAIR_LONG_NAMES)) || queue_id_matches(id, inode);
}

/* The ID that the file should have. */
static void make_right(const struct walk *walk, const char *id, ino_t inode, char fixed[QUEUE_ID_SIZE])
{
    bool stay_long = queue_id_is_long(id) && walk->command->mail.enable_long_queue_ids;
    struct timespec when = time_in(id);

    queue_id_make(stay_long, &when, inode, fixed);
    /* The part before the inode stays: it is what makes the ID unique in time. */
    if (stay_long)
        memcpy(fixed, id, (size_t)(strrchr(id, 'z') - id));
}

static void rename_logs(const struct walk *walk, const char *id, const char *fixed)
{
    char from[QUEUE_PATH_SIZE], to[QUEUE_PATH_SIZE];

    for (const char *const *log = log_queues; *log != NULL; log++) {
        char *pending;

        queue_path(walk->command->layout, *log, id, from);
        if (access(from, F_OK) < 0)
            continue;
        /* Under the old ID's directory, where it certainly is one. */
        snprintf(to, sizeof to, "%.*s", (int)(strrchr(from, '/') - from), from);
        pending = memory_format("%s/%s%s", to, fixed, pending_suffix);
        rename_file(walk->counts, from, pending);
        free(pending);
    }
}

static void fix_name(struct walk *walk, const struct file *file)
{
    char fixed[QUEUE_ID_SIZE], *pending;
    struct stat status;

    if (!queue_id_valid(file->name)) {
        if (!string_ends(file->name, pending_suffix) && walk->messages)
            log_warning(NULL, "bogus file name: %s", file->path);
        return;
    }
    /* Where file systems are stacked a directory may tell another inode than the file. */
    if (!walk->messages || is_right(walk, file->name, file->inode) || lstat(file->path, &status) < 0 ||
        !S_ISREG(status.st_mode) || is_right(walk, file->name, status.st_ino))
        return;
    make_right(walk, file->name, status.st_ino, fixed);
    pending = memory_format("%.*s/%s%s", (int)(strrchr(file->path, '/') - file->path), file->path, fixed, pending_suffix);
    if (rename_file(walk->counts, file->path, pending)) {
        rename_logs(walk, file->name, fixed);
        walk->counts->renamed++;
    }
    free(pending);
}

/* ---- places ---- */

static bool make_directories(const char *path)
{
    char *copy = memory_copy_string(path);
    bool good = true;

    for (char *slash = strchr(copy, '/'); good && slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        good = mkdir(copy, 0700) == 0 || errno == EEXIST;
        *slash = '/';
    }
    free(copy);
    return good;
}

static void fix_place(struct walk *walk, const struct file *file)
{
    char id[QUEUE_ID_SIZE + 1], right[QUEUE_PATH_SIZE];

    if (strlen(file->name) >= sizeof id)
        return;
    strcpy(id, file->name);
    if (string_ends(id, pending_suffix))
        id[strlen(id) - strlen(pending_suffix)] = '\0';
    if (!queue_id_valid(id) || string_equal(queue_path(walk->command->layout, walk->queue, id, right), file->path))
        return;
    if (make_directories(right))
        rename_file(walk->counts, file->path, right);
}

/* Subdirectories that hold nothing any more; those that do refuse to go. */
static void remove_empty_directories(const char *directory, bool itself)
{
    DIR *stream = opendir(directory);
    struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL)
        if (strlen(entry->d_name) == 1 && entry->d_name[0] != '.') {
            char *path = memory_format("%s/%s", directory, entry->d_name);

            remove_empty_directories(path, true);
            free(path);
        }
    if (stream != NULL)
        closedir(stream);
    if (itself)
        (void)!rmdir(directory);
}

/* ---- all of it ---- */

static void walk_queues(struct queue_command *command, int what, const char *const *queues,
                        struct queue_operation_counts *counts,
                        void (*file)(struct walk *walk, const struct file *file))
{
    for (; *queues != NULL; queues++) {
        struct walk walk = {command, *queues, what, is_in(message_queues, *queues), counts, file};

        log_debug(1, "queue: %s", *queues);
        if (walk.messages || is_in(log_queues, *queues))
            walk_directory(&walk, *queues);
    }
}

void queue_repair(struct queue_command *command, int what, const char *const *queues,
                  struct queue_operation_counts *counts)
{
    static const char *const everything[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD, QUEUE_MAILDROP,
                                             QUEUE_DEFER, QUEUE_BOUNCE, QUEUE_TRACE, NULL};

    if (queues == NULL)
        queues = everything;
    if (what & REPAIR_PURGE)
        walk_queues(command, what, queues, counts, purge_file);
    if (!(what & (REPAIR_STRUCTURE | REPAIR_LONG_NAMES)))
        return;
    walk_queues(command, what, queues, counts, fix_name);
    /* Logs were renamed with their messages, so they are looked at as well. */
    walk_queues(command, what, everything, counts, fix_place);
    for (const char *const *queue = everything; *queue != NULL; queue++)
        remove_empty_directories(*queue, false);
}
