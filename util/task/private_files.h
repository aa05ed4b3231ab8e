/* private_files - files that only root may read, for a process that is root when it starts and gives that up.
 *
 * Private keys are renewed while the process runs, and it must see the new ones. So a second process stays behind, which
 * reads the files named at the start and does nothing else; it ends with the first. The files are watched, through
 * symbolic links, so that asking whether one has changed costs one system call.
 *
 * A process that is not root reads the files itself. */
#ifndef UTIL_TASK_PRIVATE_FILES_H
#define UTIL_TASK_PRIVATE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"
#include "util/base/text.h"

struct private_files;

struct private_files *private_files_new(void);
void private_files_free(struct private_files *files); /* NULL is fine; the second process ends */

/* Before private_files_start. The file's number, the same for the same path. */
size_t private_files_add(struct private_files *files, const char *path);
size_t private_files_count(const struct private_files *files);
const char *private_files_path(const struct private_files *files, size_t number);

/* Still privileged, after the last add: watches, and, when this process is root, starts the one that stays so. */
bool private_files_start(struct private_files *files, struct error *error);

/* The file as it is now. Outside of tasks it is read here, inside by the second process, which the task waits for.
 * False: see error ("open PATH: reason"). content is cleared first; what was in it should be cleared after use. */
bool private_files_read(struct private_files *files, size_t number, struct text *content, struct error *error);

/* Whether the file may be another one since private_files_read was last called for it. Always true before that. */
bool private_files_changed(struct private_files *files, size_t number);

#endif
