/* postconf: changing a configuration file as a whole. A new file takes the old one's place, with its owner and mode;
 * at any moment, also after a power cut, the one or the other is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/postconf.h"
#include "util/base/directory.h"
#include "util/base/log.h"
#include "util/base/memory.h"

/* Opens and locks the file that is there now: another postconf may have replaced it meanwhile. */
static void open_locked(struct postconf_file *file)
{
    struct stat locked, now;

    for (;;) {
        file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
        if (file->fd < 0)
            die("open %s: %s", file->path, strerror(errno));
        if (flock(file->fd, LOCK_EX) != 0)
            die("lock %s: %s", file->path, strerror(errno));
        if (fstat(file->fd, &locked) == 0 && stat(file->path, &now) == 0 && locked.st_ino == now.st_ino)
            return;
        close(file->fd);
    }
}

void postconf_file_open(struct postconf_file *file, const char *directory, const char *name)
{
    char buffer[8192], *path = memory_format("%s/%s", directory, name);
    ssize_t count;

    *file = (struct postconf_file){.path = realpath(path, NULL)}; /* a symbolic link stays one */
    if (file->path == NULL)
        die("open %s: %s", path, strerror(errno));
    open_locked(file);
    while ((count = read(file->fd, buffer, sizeof buffer)) > 0)
        text_append_bytes(&file->content, buffer, (size_t)count);
    if (count < 0)
        die("read %s: %s", path, strerror(errno));
    free(path);
}

bool postconf_file_line(const char **cursor, struct text *line)
{
    size_t length = strcspn(*cursor, "\n");

    if (**cursor == '\0')
        return false;
    text_clear(line);
    text_append(line, "");
    text_append_bytes(line, *cursor, length);
    *cursor += length + ((*cursor)[length] == '\n');
    return true;
}

bool postconf_line_is_comment(const char *line)
{
    while (ascii_is_space(*line))
        line++;
    return *line == '\0' || *line == '#';
}

static bool write_all(int fd, const struct text *content)
{
    size_t written = 0;

    while (written < content->length) {
        ssize_t count = write(fd, content->data + written, content->length - written);

        if (count < 0 && errno != EINTR)
            return false;
        written += count > 0 ? (size_t)count : 0;
    }
    return fsync(fd) == 0;
}

static bool copy_owner(int from, int to)
{
    struct stat status;

    if (fstat(from, &status) != 0)
        return false;
    /* Who may not give files away keeps what the system lets him. */
    if (fchown(to, status.st_uid, status.st_gid) != 0 && errno != EPERM)
        return false;
    return fchmod(to, status.st_mode & 07777) == 0;
}

void postconf_file_replace(struct postconf_file *file, const struct text *content)
{
    char *temporary = memory_format("%s.XXXXXX", file->path);
    int fd = mkostemp(temporary, O_CLOEXEC);

    if (fd < 0)
        die("open %s: %s", file->path, strerror(errno));
    if (!copy_owner(file->fd, fd) || !write_all(fd, content) || rename(temporary, file->path) != 0) {
        int reason = errno;

        unlink(temporary);
        die("write %s: %s", file->path, strerror(reason));
    }
    close(fd);
    directory_sync_of(file->path);
    close(file->fd);
    text_free(&file->content);
    free(temporary);
    free(file->path);
}

void postconf_split_request(char *request, char **name, char **value)
{
    char *equals = strchr(request, '='), *end;

    if (strchr(request, '\n') != NULL)
        die("-e, -X, or -# accepts no multi-line input");
    *name = request + strspn(request, " \t");
    if (**name == '#')
        die("-e, -X, or -# accepts no comment input");
    end = *name + strcspn(*name, " \t=");
    if (end == *name)
        die("missing attribute name: \"%s\"", request);
    if (equals == NULL || end + strspn(end, " \t") != equals)
        die("missing '=' after attribute name: \"%s\"", request);
    *end = '\0';
    *value = string_trim(equals + 1);
}
