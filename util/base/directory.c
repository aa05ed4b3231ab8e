#include "util/base/directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/memory.h"

void directory_sync_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? memory_copy_string(".") : memory_copy_bytes(path, (size_t)(slash - path) + 1);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(directory);
}
