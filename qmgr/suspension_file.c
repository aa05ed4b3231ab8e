#include "qmgr/suspension_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/offload.h"

static const char name_of_file[] = "suspended", name_while_written[] = "suspended.new";

struct suspension_file {
    int directory;
    char *path; /* of the directory, for what is said about it */
};

struct suspension_file *suspension_file_open(const char *directory)
{
    struct suspension_file *file = memory_new(sizeof *file);

    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    file->path = memory_copy_string(directory);
    return file;
}

/* ---- reading ---- */

static bool take_line(char *line, suspension_file_fn *take, void *context)
{
    char *blank = strrchr(line, ' '), *end;
    int64_t until;

    if (blank == NULL || blank == line)
        return false;
    *blank = '\0';
    until = strtoll(blank + 1, &end, 10);
    if (end == blank + 1 || *string_trim(end) != '\0' || until < 0)
        return false;
    take(context, line, until);
    return true;
}

void suspension_file_read(struct suspension_file *file, suspension_file_fn *take, void *context)
{
    int fd = openat(file->directory, name_of_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *stream = fd >= 0 ? fdopen(fd, "r") : NULL;
    char *line = NULL;
    size_t room = 0;

    if (stream == NULL) {
        if (errno != ENOENT)
            log_warning(NULL, "open %s/%s: %s", file->path, name_of_file, strerror(errno));
        return;
    }
    while (getline(&line, &room, stream) > 0)
        if (!take_line(line, take, context))
            log_warning(NULL, "%s/%s: a line makes no sense", file->path, name_of_file);
    free(line);
    fclose(stream);
}

/* ---- writing ---- */

struct writing {
    int directory, reason; /* errno; 0: it is done */
    const struct text *lines;
};

static bool write_all(int fd, const struct text *lines)
{
    for (size_t done = 0; done < lines->length;) {
        ssize_t written = write(fd, lines->data + done, lines->length - done);

        if (written < 0 && errno != EINTR)
            return false;
        done += written > 0 ? (size_t)written : 0;
    }
    return fsync(fd) == 0;
}

static void write_offloaded(void *argument)
{
    struct writing *writing = argument;
    int fd = openat(writing->directory, name_while_written, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && write_all(fd, writing->lines) &&
                renameat(writing->directory, name_while_written, writing->directory, name_of_file) == 0 &&
                fsync(writing->directory) == 0;

    writing->reason = good ? 0 : errno;
    if (fd >= 0)
        close(fd);
}

void suspension_file_append(struct text *lines, const char *name, int64_t until)
{
    text_append_format(lines, "%s %" PRId64 "\n", name, until);
}

bool suspension_file_write(struct suspension_file *file, const struct text *lines, struct error *error)
{
    struct writing writing = {.directory = file->directory, .lines = lines};

    offload_run(write_offloaded, &writing);
    return writing.reason == 0 ||
           error_set(error, "write %s/%s: %s", file->path, name_of_file, strerror(writing.reason));
}
