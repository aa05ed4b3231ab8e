/* pid_file - pid/master.pid: locked as long as master runs, so that a file left behind is no obstacle. Scripts read
 * the number in it, padded with blanks to 32 places. */
#ifndef MASTER_PID_FILE_H
#define MASTER_PID_FILE_H

#include <stdbool.h>

#include "util/base/error.h"

/* Locks and writes the file; the lock ends with the process. False: somebody else has it, or see error. */
bool pid_file_take(const char *path, struct error *error);
/* Whether somebody has it. */
bool pid_file_is_locked(const char *path);

#endif
