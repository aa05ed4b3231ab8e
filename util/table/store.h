/* store - a small database of one process that survives its end: an LMDB file below data_directory.
 *
 * Keys and values are bytes; keys have 511 bytes at most. Each change is on disk when the call returns, unless it is said
 * otherwise. One process writes; any other may read. Calls do not wait for anything but the disk. */
#ifndef UTIL_TABLE_STORE_H
#define UTIL_TABLE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"
#include "util/base/text.h"

struct store;

/* path: "/var/lib/postern/mta-sts.lmdb"; made when it is not there, mode 0600. size_limit: bytes. lazy: a crash of the machine may
 * lose the last changes, but never damages the file. NULL: see error; a damaged file is one. */
struct store *store_open(const char *path, size_t size_limit, bool lazy, struct error *error);
void store_close(struct store *store); /* NULL is fine */

/* value is cleared first. False: there is none, or (error not empty) it cannot be read. */
bool store_get(struct store *store, const char *key, struct text *value, struct error *error);
bool store_put(struct store *store, const char *key, const void *bytes, size_t length, struct error *error);
bool store_remove(struct store *store, const char *key, struct error *error); /* one that is not there is fine */

/* The keys and values whose key begins with prefix, in order; each may be removed or changed meanwhile, since a walk sees the
 * store as it was. The function says whether to go on. */
typedef bool store_each_fn(void *context, const char *key, const void *bytes, size_t length);
bool store_each(struct store *store, const char *prefix, store_each_fn *function, void *context, struct error *error);

#endif
