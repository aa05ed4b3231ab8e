/* arena - memory with one lifetime, given back all at once.
 *
 * One a session, one a transaction: dropped whole at RSET, end of data or disconnect. Nothing allocated from an
 * arena is freed on its own. */
#ifndef UTIL_BASE_ARENA_H
#define UTIL_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);  /* NULL is fine */
void arena_clear(struct arena *arena); /* everything allocated from it is gone, the arena is usable */

void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for anything */
char *arena_copy(struct arena *arena, const char *string);
char *arena_copy_bytes(struct arena *arena, const char *bytes, size_t length); /* with a NUL behind */
char *arena_join(struct arena *arena, const char *first, const char *second); /* both strings as one */
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_format_list(struct arena *arena, const char *format, va_list arguments);
size_t arena_size(const struct arena *arena); /* bytes taken from the system */

#endif
