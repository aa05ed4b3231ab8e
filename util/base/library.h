/* library - functions of a shared library that is loaded only when something needs it, since it costs each process time and
 * memory that few processes have a use for. A service that gives up its rights loads before what it will need. */
#ifndef UTIL_BASE_LIBRARY_H
#define UTIL_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* "libidn2.so.0". It stays loaded: to open it again costs next to nothing. NULL: it is not there. */
void *library_open(const char *name);

/* Puts the function of that name into what `function` points to, a function pointer of that size. */
bool library_find(void *library, const char *name, void *function, size_t size);

#endif
