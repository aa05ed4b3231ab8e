/* fuzz - what the fuzz targets share. A target is one file NAME_fuzz.c with LLVMFuzzerTestOneInput; its first inputs
 * are the files of corpus/NAME. `make fuzz SECONDS=60` looks for new ones, `make check` replays those that are there. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv); /* silences the log */

/* What is left of an input while a target takes it apart. */
struct fuzz_input {
    const char *bytes;
    size_t length;
};

struct fuzz_input fuzz_input(const uint8_t *data, size_t size);
unsigned fuzz_byte(struct fuzz_input *input); /* 0 at the end */
/* Up to a line feed, which is skipped; the caller frees. */
char *fuzz_line(struct fuzz_input *input);
char *fuzz_rest(struct fuzz_input *input); /* NUL terminated; the caller frees */

/* A file without a name that holds the rest. */
int fuzz_file(const struct fuzz_input *input);

#endif
