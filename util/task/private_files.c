#include "util/task/private_files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/clock.h"
#include "util/base/log.h"
#include "util/base/map.h"
#include "util/base/memory.h"
#include "util/task/file_watch.h"
#include "util/task/stream.h"
#include "util/task/task.h"

/* A file is a few keys and certificates. Answers come at once; without inotify files are looked at that often. */
enum { FILE_LIMIT = 4 * 1024 * 1024 };
static const duration answer_limit = 30 * SECONDS, look_interval = 2 * SECONDS;

struct private_file {
    char *path;
    char *marks; /* of file_watch, one a line; NULL: not read yet */
    bool changed;
    int64_t looked; /* on the monotonic clock */
};

struct private_files {
    struct private_file *items;
    size_t count;
    struct map *by_path; /* number + 1 */
    int watch;           /* inotify, -1: none */
    int reader;          /* the second process's socket, -1: there is none */
    struct stream *stream; /* over it, from the first use in a task */
    struct task_semaphore one_at_a_time;
};

/* What the reader answers, before the content and then the marks. */
struct answer {
    int32_t problem; /* errno */
    uint32_t content_length, marks_length;
};

struct private_files *private_files_new(void)
{
    struct private_files *files = memory_new(sizeof *files);

    files->by_path = map_new();
    files->watch = files->reader = -1;
    task_semaphore_init(&files->one_at_a_time, 1);
    return files;
}

void private_files_free(struct private_files *files)
{
    if (files == NULL)
        return;
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
        free(files->items[i].marks);
    }
    if (files->stream != NULL)
        stream_free(files->stream);
    else if (files->reader >= 0)
        close(files->reader);
    if (files->watch >= 0)
        close(files->watch);
    map_free(files->by_path);
    free(files->items);
    free(files);
}

size_t private_files_add(struct private_files *files, const char *path)
{
    uintptr_t known = (uintptr_t)map_get(files->by_path, path);

    assert(files->reader < 0);
    if (known > 0)
        return known - 1;
    files->items = memory_resize(files->items, (files->count + 1) * sizeof *files->items);
    files->items[files->count] = (struct private_file){.path = memory_copy_string(path), .changed = true};
    map_set(files->by_path, path, (void *)(uintptr_t)(files->count + 1));
    return files->count++;
}

size_t private_files_count(const struct private_files *files)
{
    return files->count;
}

const char *private_files_path(const struct private_files *files, size_t number)
{
    return files->items[number].path;
}

/* ---- reading, in whichever process ---- */

/* 0, or errno. Watches first, so that what changes while we read is not missed. */
static int read_now(const struct private_files *files, const char *path, struct text *content, struct text *marks)
{
    char buffer[16 * 1024];
    struct stat status;
    ssize_t got = 0;
    int fd, problem;

    if (files->watch >= 0)
        file_watch_add(files->watch, path, marks);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno;
    if (fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size < FILE_LIMIT)
        text_reserve(content, (size_t)status.st_size + 1); /* a text that grows leaves copies behind */
    while (content->length < FILE_LIMIT && (got = read(fd, buffer, sizeof buffer)) > 0)
        text_append_bytes(content, buffer, (size_t)got);
    problem = got < 0 ? errno : content->length >= FILE_LIMIT ? EFBIG : 0;
    explicit_bzero(buffer, sizeof buffer);
    close(fd);
    return problem;
}

/* ---- the second process ---- */

static bool send_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t done = send(fd, at, length, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        length -= (size_t)done;
    }
    return true;
}

static bool answer_one(const struct private_files *files, int fd, uint32_t number)
{
    struct text content = {0}, marks = {0};
    struct answer answer = {.problem = EINVAL};
    bool sent;

    if (number < files->count)
        answer.problem = read_now(files, files->items[number].path, &content, &marks);
    answer.content_length = (uint32_t)content.length;
    answer.marks_length = (uint32_t)marks.length;
    sent = send_all(fd, &answer, sizeof answer) && send_all(fd, content.data, content.length) &&
           send_all(fd, marks.data, marks.length);
    text_wipe(&content);
    text_free(&marks);
    return sent;
}

/* Holds nothing but the files' names, its socket and the watch; asked for a number, it sends that file. */
static void run_reader(const struct private_files *files, int fd)
{
    uint32_t number;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NAME, "private-files");
    while (recv(fd, &number, sizeof number, MSG_WAITALL) == sizeof number && answer_one(files, fd, number))
        ;
    _exit(0);
}

/* Everything but 0 to 2, the socket and the watch: listening sockets above all. */
static void close_others(int one, int other)
{
    long last = sysconf(_SC_OPEN_MAX);

    if (last < 0 || last > 65536)
        last = 65536;
    for (int fd = 3; fd < last; fd++)
        if (fd != one && fd != other)
            close(fd);
}

bool private_files_start(struct private_files *files, struct error *error)
{
    int sockets[2];
    pid_t child;

    files->watch = file_watch_open(); /* without it the files are looked at every now and then */
    if (geteuid() != 0 || files->count == 0)
        return true;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return error_set(error, "socketpair: %s", strerror(errno));
    child = fork();
    if (child < 0) {
        close(sockets[0]);
        close(sockets[1]);
        return error_set(error, "fork: %s", strerror(errno));
    }
    if (child == 0) {
        close_others(sockets[1], files->watch);
        run_reader(files, sockets[1]);
    }
    close(sockets[1]);
    files->reader = sockets[0];
    return true;
}

/* ---- the first process ---- */

static bool receive_text(struct private_files *files, size_t length, struct text *text)
{
    text_reserve(text, length);
    if (length > 0 && stream_read_exactly(files->stream, text->data, length) != STREAM_OK)
        return false;
    text->length = length;
    if (text->data != NULL)
        text->data[length] = '\0';
    return true;
}

static bool ask_reader(struct private_files *files, size_t number, int *problem, struct text *content, struct text *marks)
{
    uint32_t wanted = (uint32_t)number;
    struct answer answer;

    if (files->stream == NULL)
        files->stream = stream_new(files->reader);
    stream_set_timeout(files->stream, answer_limit);
    if (stream_write(files->stream, &wanted, sizeof wanted) != STREAM_OK || stream_flush(files->stream) != STREAM_OK ||
        stream_read_exactly(files->stream, &answer, sizeof answer) != STREAM_OK)
        return false;
    *problem = answer.problem;
    return receive_text(files, answer.content_length, content) && receive_text(files, answer.marks_length, marks);
}

bool private_files_read(struct private_files *files, size_t number, struct text *content, struct error *error)
{
    struct private_file *file = &files->items[number];
    struct text marks = {0};
    int problem = 0;

    text_clear(content);
    file->changed = false;
    file->looked = clock_monotonic();
    if (files->reader < 0 || task_current() == NULL) {
        problem = read_now(files, file->path, content, &marks);
    } else {
        if (task_semaphore_take(&files->one_at_a_time, deadline_in(answer_limit)) != WAIT_READY)
            problem = ETIMEDOUT;
        else {
            if (!ask_reader(files, number, &problem, content, &marks))
                problem = EPIPE;
            task_semaphore_give(&files->one_at_a_time);
        }
    }
    free(file->marks);
    file->marks = marks.data != NULL ? text_take(&marks) : memory_copy_string("");
    if (problem == 0)
        return true;
    return error_set(error, "%s: %s", file->path, strerror(problem));
}

static bool has_mark(const struct private_file *file, const char *mark)
{
    size_t length = strlen(mark);

    for (const char *at = file->marks; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1)
        if (strncmp(at, mark, length) == 0 && at[length] == '\n')
            return true;
    return false;
}

static void something_happened(void *context, const char *mark)
{
    struct private_files *files = context;

    for (size_t i = 0; i < files->count; i++)
        if (mark == NULL || has_mark(&files->items[i], mark))
            files->items[i].changed = true;
}

bool private_files_changed(struct private_files *files, size_t number)
{
    struct private_file *file = &files->items[number];

    if (files->watch >= 0)
        file_watch_read(files->watch, something_happened, files);
    else if (clock_monotonic() - file->looked >= look_interval)
        file->changed = true;
    return file->changed || file->marks == NULL;
}
