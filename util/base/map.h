/* map - from strings to pointers.
 *
 * Keys are copied; values are the caller's. Hashing is SipHash with a key drawn at random for each process, so
 * that no one can choose colliding names (addresses, domains) from outside. */
#ifndef UTIL_BASE_MAP_H
#define UTIL_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map;

struct map *map_new(void);
void map_free(struct map *map); /* NULL is fine; values are not freed */
void map_free_with(struct map *map, void (*free_value)(void *));
void *map_get(const struct map *map, const char *key);              /* NULL: not there */
void *map_set(struct map *map, const char *key, void *value);       /* the value it replaces, or NULL */
void *map_remove(struct map *map, const char *key);                 /* the value removed, or NULL */
size_t map_count(const struct map *map);

/* Walks in no particular order: *position starts at 0, false at the end. The map must not change meanwhile. */
bool map_next(const struct map *map, size_t *position, const char **key, void **value);

/* The keys in strcmp order; the array is freed by the caller, the keys belong to the map. */
const char **map_sorted_keys(const struct map *map);

#endif
