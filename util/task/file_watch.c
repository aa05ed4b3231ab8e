#include "util/task/file_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/memory.h"

enum { LINK_LIMIT = 40, EVENT_BUFFER = 16 * 1024 };

int file_watch_open(void)
{
    return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

static void mark(int fd, const char *directory, const char *name, struct text *marks)
{
    int watch = inotify_add_watch(fd, *directory != '\0' ? directory : ".",
                                  IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB);

    if (watch >= 0)
        text_append_format(marks, "%d %s\n", watch, name);
}

/* Where a symbolic link leads, with what stood behind it. NULL: it is none. */
static char *follow(const char *directory, const char *full, const char *rest)
{
    char target[PATH_MAX];
    ssize_t length = readlink(full, target, sizeof target - 1);

    if (length < 0)
        return NULL;
    target[length] = '\0';
    return memory_format("%s%s%s%s", *target == '/' ? "" : directory, target, *rest != '\0' ? "/" : "", rest);
}

/* Walks the path from its start; `directory` ends with a slash, or is empty. The path it continues with after a link, or
 * NULL at its end. */
static char *walk(int fd, const char *path, struct text *marks)
{
    struct text directory = {0};
    const char *at = path;
    char *next = NULL;

    for (;;) {
        size_t length;
        char *name, *full;
        const char *rest;

        while (*at == '/') {
            if (directory.length == 0 || directory.data[directory.length - 1] != '/')
                text_append_char(&directory, '/');
            at++;
        }
        length = strcspn(at, "/");
        if (length == 0)
            break;
        name = memory_copy_bytes(at, length);
        full = memory_format("%s%s", text_string(&directory), name);
        rest = at + length + strspn(at + length, "/");
        next = follow(text_string(&directory), full, rest);
        if (next != NULL || *rest == '\0')
            mark(fd, text_string(&directory), name, marks);
        text_append(&directory, name);
        free(name);
        free(full);
        at += length;
        if (next != NULL)
            break;
    }
    text_free(&directory);
    return next;
}

void file_watch_add(int fd, const char *path, struct text *marks)
{
    char *at = memory_copy_string(path);

    for (int links = 0; at != NULL && links < LINK_LIMIT; links++) {
        char *next = walk(fd, at, marks);

        free(at);
        at = next;
    }
    free(at);
}

void file_watch_read(int fd, file_watch_fn *happened, void *context)
{
    _Alignas(struct inotify_event) char buffer[EVENT_BUFFER];
    ssize_t got;

    while ((got = read(fd, buffer, sizeof buffer)) > 0) {
        const struct inotify_event *event;

        for (char *at = buffer; at < buffer + got; at += sizeof *event + event->len) {
            char name[NAME_MAX + 32];

            event = (const struct inotify_event *)(void *)at;
            if ((event->mask & IN_Q_OVERFLOW) != 0) {
                happened(context, NULL);
            } else if (event->len > 0) {
                snprintf(name, sizeof name, "%d %s", event->wd, event->name);
                happened(context, name);
            }
        }
    }
}
