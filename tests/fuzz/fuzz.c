#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/memory.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct log_settings nowhere = {
        .tag = "fuzz", .target = LOG_TARGET_SOCKET, .socket_path = "/nonexistent", .file_path = "/dev/null"};

    (void)argc, (void)argv;
    log_open(&nowhere);
    return 0;
}

struct fuzz_input fuzz_input(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){(const char *)data, size};
}

unsigned fuzz_byte(struct fuzz_input *input)
{
    if (input->length == 0)
        return 0;
    input->length--;
    return (unsigned char)*input->bytes++;
}

char *fuzz_line(struct fuzz_input *input)
{
    const char *end = input->length > 0 ? memchr(input->bytes, '\n', input->length) : NULL;
    size_t length = end != NULL ? (size_t)(end - input->bytes) : input->length;
    char *line = memory_copy_bytes(input->bytes, length);

    length += end != NULL;
    input->bytes += length;
    input->length -= length;
    return line;
}

char *fuzz_rest(struct fuzz_input *input)
{
    return memory_copy_bytes(input->bytes, input->length);
}

int fuzz_file(const struct fuzz_input *input)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, input->bytes, input->length) != (ssize_t)input->length)
        abort();
    return fd;
}
