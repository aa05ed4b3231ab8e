/* error - why an operation failed, in the operator's words.
 *
 * A function that can fail for a reason outside this program returns false (or NULL) and fills in the caller's
 * struct error. Our own bugs are assertions, kept in production. */
#ifndef UTIL_BASE_ERROR_H
#define UTIL_BASE_ERROR_H

#include <stdbool.h>

struct error {
    char text[1024]; /* one line, no line end; cut if longer */
};

/* Both return false, so that a failing function can end with `return error_set(...)`. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts words in front of what is already said: "open queue file: " + text. */
bool error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
