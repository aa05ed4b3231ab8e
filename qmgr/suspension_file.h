/* suspension_file - data_directory/suspended, replaced as a whole: what it says is durable. */
#ifndef QMGR_SUSPENSION_FILE_H
#define QMGR_SUSPENSION_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/base/error.h"
#include "util/base/text.h"

struct suspension_file;

/* The directory stays open, also where it cannot be seen later. One that cannot be opened is found when something is
 * to be written. */
struct suspension_file *suspension_file_open(const char *directory);

/* Calls back for each line; a missing file has none. Lines that make no sense are warned of and skipped. */
typedef void suspension_file_fn(void *context, const char *name, int64_t until);
void suspension_file_read(struct suspension_file *file, suspension_file_fn *take, void *context);

void suspension_file_append(struct text *lines, const char *name, int64_t until);
/* Within a task. */
bool suspension_file_write(struct suspension_file *file, const struct text *lines, struct error *error);

#endif
