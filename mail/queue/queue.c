#include "mail/queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/memory.h"
#include "util/base/text.h"

enum { DIRECTORY_MODE = 0700, FIND_TRIES = 3, CREATE_TRIES = 100 };

struct queue_layout {
    char *hashed; /* ",deferred,defer," */
    int depth;
};

struct queue_layout *queue_layout_new(const struct mail_config *mail)
{
    struct queue_layout *layout = memory_new(sizeof *layout);
    struct text names = {0};
    char *copy = memory_copy_string(mail->hash_queue_names), *cursor = copy, *name;

    text_append_char(&names, ',');
    while ((name = string_next_word(&cursor, ", \t\r\n")) != NULL)
        text_append_format(&names, "%s,", name);
    free(copy);
    layout->hashed = text_take(&names);
    layout->depth = (int)mail->hash_queue_depth;
    return layout;
}

void queue_layout_free(struct queue_layout *layout)
{
    if (layout == NULL)
        return;
    free(layout->hashed);
    free(layout);
}

static int queue_depth(const struct queue_layout *layout, const char *queue)
{
    size_t length = strlen(queue);
    const char *at = layout->hashed + 1;

    while ((at = strstr(at, queue)) != NULL && (at[-1] != ',' || at[length] != ','))
        at++;
    return at != NULL ? layout->depth : 0;
}

/* Appends as much as there is room for. */
static size_t append(char path[QUEUE_PATH_SIZE], size_t length, const char *part)
{
    size_t room = QUEUE_PATH_SIZE - 1 - length, count = strnlen(part, room);

    memcpy(path + length, part, count);
    path[length + count] = '\0';
    return length + count;
}

bool queue_is_in_hand(const char *queue)
{
    return string_equal(queue, QUEUE_ACTIVE) || string_equal(queue, QUEUE_INCOMING);
}

bool queue_is_hashed(const struct queue_layout *layout, const char *queue)
{
    return queue_depth(layout, queue) > 0;
}

const char *queue_path(const struct queue_layout *layout, const char *queue, const char *id, char path[QUEUE_PATH_SIZE])
{
    char hash[QUEUE_ID_SIZE] = "";
    int depth = queue_depth(layout, queue);
    size_t length = append(path, append(path, 0, queue), "/");
    const char *at = hash;

    if (depth > 0)
        queue_id_hash(id, hash);
    for (int i = 0; i < depth && length + 3 < QUEUE_PATH_SIZE; i++) {
        path[length++] = *at != '\0' ? *at++ : '_';
        path[length++] = '/';
    }
    append(path, length, id);
    return path;
}

/* Makes the directories above path; they are missing in a new queue only. */
static int make_directories(const char *path)
{
    char directory[QUEUE_PATH_SIZE];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
        if (mkdir(directory, DIRECTORY_MODE) < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

int queue_rename(const char *from, const char *to)
{
    if (rename(from, to) == 0)
        return 0;
    /* ENOENT: either the file is gone or a directory of the new path is not there yet. */
    return errno == ENOENT && access(from, F_OK) == 0 && make_directories(to) == 0 ? rename(from, to) : -1;
}

/* Opens what is at, or above, a path whose directories may be missing. */
static int open_in_place(const char *name, int flags, const char *path)
{
    int fd = open(name, flags | O_CLOEXEC, QUEUE_MODE_WRITING);

    return fd < 0 && errno == ENOENT && make_directories(path) == 0 ? open(name, flags | O_CLOEXEC, QUEUE_MODE_WRITING) : fd;
}

int queue_directory_open(const char *path)
{
    char directory[QUEUE_PATH_SIZE];

    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
    return open_in_place(directory, O_RDONLY | O_DIRECTORY, path);
}

/* Opens a file under a name that no ID can have. */
static int create_unnamed(const char *queue, char path[QUEUE_PATH_SIZE], struct timespec *when)
{
    int fd = -1;

    for (int i = 0; i < CREATE_TRIES && fd < 0; i++) {
        clock_gettime(CLOCK_REALTIME, when);
        snprintf(path, QUEUE_PATH_SIZE, "%s/%ld.%d", queue, when->tv_nsec / 1000, (int)getpid());
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, QUEUE_MODE_WRITING);
        if (fd < 0 && errno == ENOENT && make_directories(path) == 0)
            continue;
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

int queue_file_create(const struct queue_layout *layout, const char *queue, bool long_form, char id[QUEUE_ID_SIZE],
                      struct timespec *when, struct error *error)
{
    char unnamed[QUEUE_PATH_SIZE], path[QUEUE_PATH_SIZE];
    struct stat file;
    int fd = create_unnamed(queue, unnamed, when), reason;

    if (fd < 0) {
        reason = errno;
        error_set(error, "create file %s: %s", unnamed, strerror(reason));
        errno = reason;
        return -1;
    }
    if (fstat(fd, &file) == 0) {
        queue_id_make(long_form, when, file.st_ino, id);
        if (queue_rename(unnamed, queue_path(layout, queue, id, path)) == 0)
            return fd;
    }
    reason = errno;
    error_set(error, "rename %s to %s: %s", unnamed, path, strerror(reason));
    unlink(unnamed);
    close(fd);
    errno = reason;
    return -1;
}

int queue_file_create_named(const struct queue_layout *layout, const char *queue, const char *id)
{
    static const char *const queues[] = {QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD, QUEUE_CORRUPT, NULL};
    char path[QUEUE_PATH_SIZE];
    struct stat found;

    if (queue_find(layout, id, queues, &found) != NULL) {
        errno = EEXIST;
        return -1;
    }
    queue_path(layout, queue, id, path);
    return open_in_place(path, O_RDWR | O_CREAT | O_EXCL, path);
}

int queue_file_open(const struct queue_layout *layout, const char *queue, const char *id, int flags)
{
    char path[QUEUE_PATH_SIZE];

    return open(queue_path(layout, queue, id, path), flags | O_CLOEXEC | O_NOFOLLOW);
}

int queue_move(const struct queue_layout *layout, const char *id, const char *from, const char *to)
{
    char old_path[QUEUE_PATH_SIZE], new_path[QUEUE_PATH_SIZE];

    return queue_rename(queue_path(layout, from, id, old_path), queue_path(layout, to, id, new_path));
}

int queue_remove(const struct queue_layout *layout, const char *queue, const char *id)
{
    char path[QUEUE_PATH_SIZE];

    return unlink(queue_path(layout, queue, id, path));
}

const char *queue_find(const struct queue_layout *layout, const char *id, const char *const *queues, struct stat *found)
{
    char path[QUEUE_PATH_SIZE];

    for (int try = 0; try < FIND_TRIES; try++)
        for (const char *const *queue = queues; *queue != NULL; queue++)
            if (lstat(queue_path(layout, *queue, id, path), found) == 0 && S_ISREG(found->st_mode))
                return *queue;
    return NULL;
}
