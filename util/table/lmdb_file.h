/* lmdb_file - the lock that readers and writers of an LMDB file hold (lmdb_table(5)), and what they check before they read. */
#ifndef UTIL_TABLE_LMDB_FILE_H
#define UTIL_TABLE_LMDB_FILE_H

#include <lmdb.h>
#include <stdbool.h>

#include "util/base/error.h"

/* F_RDLCK, F_WRLCK or F_UNLCK on the whole file; waits some seconds for whoever holds it. */
bool lmdb_file_lock(int fd, short kind, struct error *error);

/* A file that lost its end would kill the reader that touches the missing pages. */
bool lmdb_file_is_whole(MDB_env *env, int fd, struct error *error);

#endif
