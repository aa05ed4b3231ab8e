/* replay - runs a fuzz target over its corpus, without a fuzzer: for make check. One line an input, as the unit tests
 * write them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "util/base/memory.h"
#include "util/base/text.h"

static void replay(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "r");
    size_t length;
    uint8_t *exact;

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    exact = (uint8_t *)memory_copy_bytes((const char *)bytes, length); /* a sanitizer sees its end */
    LLVMFuzzerTestOneInput(exact, length);
    free(exact);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : CORPUS;
    DIR *stream = opendir(folder);
    struct dirent *entry;

    LLVMFuzzerInitialize(&argc, &argv);
    if (stream == NULL) {
        perror(folder);
        return 1;
    }
    while ((entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.') {
            char *path = memory_format("%s/%s", folder, entry->d_name);

            printf("[ RUN      ] %s\n", path);
            fflush(stdout);
            replay(path);
            printf("[       OK ] %s\n", path);
            free(path);
        }
    closedir(stream);
    return 0;
}
