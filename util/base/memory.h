/* memory - allocation that does not fail: the process ends, loudly, when the system has no memory left. */
#ifndef UTIL_BASE_MEMORY_H
#define UTIL_BASE_MEMORY_H

#include <stddef.h>

void *memory_new(size_t size); /* zeroed */
void *memory_resize(void *block, size_t size);
char *memory_copy_string(const char *string);
char *memory_copy_bytes(const char *bytes, size_t length); /* with a NUL behind */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
