/* store - a small database of one process that survives its end: an LMDB file below data_directory.
 *
 * Keys are text of 1 to STORE_KEY_LIMIT bytes, values are bytes. Each change is on disk when the call returns, unless it is said
 * otherwise. One process writes; any other may read at the same time. Calls do not wait for anything but the disk; none may be
 * made from another thread than the first. The file has its whole size from the start, most of it a hole; beside it lies
 * PATH-lock, which is LMDB's. */
#ifndef UTIL_TABLE_STORE_H
#define UTIL_TABLE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"
#include "util/base/text.h"

enum { STORE_KEY_LIMIT = 511 };

struct store;

/* path: "/var/lib/postfix/mta-sts.lmdb"; made when it is not there, mode 0600. size_limit: bytes, rounded up to pages. lazy: a
 * crash of the machine may lose the last changes, but never damages the file. A damaged file is renamed to PATH.damaged, with a
 * warning, and an empty one takes its place. NULL: see error. */
struct store *store_open(const char *path, size_t size_limit, bool lazy, struct error *error);
/* To look only, as another process than the writer; store_put and store_remove fail. A damaged file, or none, is an error. */
struct store *store_open_to_read(const char *path, struct error *error);
void store_close(struct store *store); /* NULL is fine; a batch that was not committed is lost */

/* value is cleared first. False: there is none, or (error not empty) it cannot be read. */
bool store_get(struct store *store, const char *key, struct text *value, struct error *error);
bool store_put(struct store *store, const char *key, const void *bytes, size_t length, struct error *error);
bool store_remove(struct store *store, const char *key, struct error *error); /* one that is not there is fine */

/* Changes between begin and commit become true together, with one trip to the disk, or not at all; no task may wait meanwhile.
 * After a change that failed the commit fails. */
bool store_begin(struct store *store, struct error *error);
bool store_commit(struct store *store, struct error *error);

/* The keys and values whose key begins with prefix, in order of bytes; each may be removed or changed meanwhile, since a walk sees
 * the store as it was. Not within a batch, but a batch may stand within it. The function says whether to go on; what it gets is
 * its own until it returns. False: the store could not be read to the end. */
typedef bool store_each_fn(void *context, const char *key, const void *bytes, size_t length);
bool store_each(struct store *store, const char *prefix, store_each_fn *function, void *context, struct error *error);

#endif
