/* file_watch - tells whether files have been written, replaced, or moved away, by inotify.
 *
 * A path is watched by the directories it leads through: where its last name stands, and where each symbolic link on the
 * way does. Setting a watch needs the right to read those directories, hearing of it does not. */
#ifndef UTIL_TASK_FILE_WATCH_H
#define UTIL_TASK_FILE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/text.h"

/* inotify's descriptor; -1: there is none to be had. */
int file_watch_open(void);

/* Sets watches for a path; appends a line "WATCH NAME\n" to marks for each name that counts. */
void file_watch_add(int fd, const char *path, struct text *marks);

/* What happened since the last call, without waiting: calls back with each mark ("WATCH NAME"), or NULL when some were
 * lost. */
typedef void file_watch_fn(void *context, const char *mark);
void file_watch_read(int fd, file_watch_fn *happened, void *context);

#endif
