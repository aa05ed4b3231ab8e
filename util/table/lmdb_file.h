/* lmdb_file - the lock that readers and writers of an LMDB file hold (lmdb_table(5)). */
#ifndef UTIL_TABLE_LMDB_FILE_H
#define UTIL_TABLE_LMDB_FILE_H

#include "util/base/error.h"

/* F_RDLCK, F_WRLCK or F_UNLCK on the whole file; waits some seconds for whoever holds it. */
bool lmdb_file_lock(int fd, short kind, struct error *error);

#endif
