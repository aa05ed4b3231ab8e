#include "util/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"

static void *checked(void *block)
{
    if (block == NULL)
        die("out of memory");
    return block;
}

void *memory_new(size_t size)
{
    return memset(memory_resize(NULL, size), 0, size); /* calloc does not look among what malloc keeps at hand */
}

void *memory_resize(void *block, size_t size)
{
    return checked(realloc(block, size > 0 ? size : 1));
}

char *memory_copy_bytes(const char *bytes, size_t length)
{
    char *copy = memory_resize(NULL, length + 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *memory_copy_string(const char *string)
{
    return memory_copy_bytes(string, strlen(string));
}

char *memory_format(const char *format, ...)
{
    va_list arguments;
    char *result;
    int length;

    va_start(arguments, format);
    length = vasprintf(&result, format, arguments);
    va_end(arguments);
    return checked(length < 0 ? NULL : result);
}
