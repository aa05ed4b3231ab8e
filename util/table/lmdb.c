/* lmdb:/path - the indexed file /path.lmdb, read.
 *
 * Postfix's postmap and ours make the same file: keys and values end with a NUL that is part of them. Postfix changes
 * it in place under a lock of the whole file (lmdb_table(5)); LMDB's own lock file would have to be writable by
 * everyone. So a reader holds that lock shared for the length of one lookup. Our postmap never changes a file in
 * place: it renames a new one over it (lmdb_write.c), so that no reader ever waits, no crash leaves half a table, and
 * a sandbox that only allows reading needs nothing else. A reader notices because its file has no name any more. */
#include "util/table/lmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/memory.h"
#include "util/table/internal.h"

struct lmdb_table {
    char *path;
    MDB_env *env;
    MDB_dbi dbi;
    int fd; /* the environment's */
    enum table_form form;
};

/* How long a lock is waited for; a program that holds it longer is broken. The whole process waits: only Postfix's
 * postmap, working on the same file, makes it. */
enum { LOCK_TRIES = 5000, LOCK_PAUSE_MICROSECONDS = 2000 };

/* Locks of the open file, not of the process: another table on the same file keeps its own. */
bool lmdb_file_lock(int fd, short kind, struct error *error)
{
    struct flock whole = {.l_type = kind, .l_whence = SEEK_SET};

    for (int tries = 0; fcntl(fd, F_OFD_SETLK, &whole) != 0; tries++) {
        if ((errno != EAGAIN && errno != EACCES && errno != EINTR) || tries == LOCK_TRIES)
            return error_set(error, "lock: %s", strerror(errno));
        usleep(LOCK_PAUSE_MICROSECONDS);
    }
    return true;
}

bool lmdb_file_is_whole(MDB_env *env, int fd, struct error *error)
{
    MDB_envinfo info;
    MDB_stat pages;
    struct stat status;

    if (fstat(fd, &status) != 0 || mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &pages) != 0)
        return error_set(error, "the file cannot be examined");
    if ((uint64_t)status.st_size < (uint64_t)(info.me_last_pgno + 1) * pages.ms_psize)
        return error_set(error, "the file is damaged: it is shorter than its content");
    return true;
}

static bool begin(MDB_env *env, MDB_txn **transaction, struct error *error)
{
    int status = mdb_txn_begin(env, NULL, MDB_RDONLY, transaction);

    if (status == MDB_MAP_RESIZED && mdb_env_set_mapsize(env, 0) == 0)
        status = mdb_txn_begin(env, NULL, MDB_RDONLY, transaction);
    return status == 0 || error_set(error, "%s", mdb_strerror(status));
}

static bool open_dbi(struct lmdb_table *table, struct error *error)
{
    MDB_txn *transaction;
    int status;

    if (!lmdb_file_lock(table->fd, F_RDLCK, error))
        return false;
    if (!lmdb_file_is_whole(table->env, table->fd, error) || !begin(table->env, &transaction, error)) {
        lmdb_file_lock(table->fd, F_UNLCK, error);
        return false;
    }
    status = mdb_dbi_open(transaction, NULL, 0, &table->dbi);
    mdb_txn_commit(transaction);
    return lmdb_file_lock(table->fd, F_UNLCK, error) && (status == 0 || error_set(error, "%s", mdb_strerror(status)));
}

static bool is_empty(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && status.st_size == 0;
}

/* On failure nothing stays open. */
static bool open_file(struct lmdb_table *table, struct error *error)
{
    unsigned flags = MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS;
    int status = mdb_env_create(&table->env);

    if (status == 0)
        status = mdb_env_open(table->env, table->path, flags, 0);
    if (status == 0)
        status = mdb_env_get_fd(table->env, &table->fd);
    if (status != 0)
        error_set(error, "%s", is_empty(table->path) ? "the file is empty: run postmap" : mdb_strerror(status));
    else if (fcntl(table->fd, F_SETFD, FD_CLOEXEC) == 0 && open_dbi(table, error))
        return true;
    mdb_env_close(table->env);
    return error_prefix(error, "open database %s: ", table->path);
}

void *lmdb_open(const struct table_source *source, struct error *error)
{
    struct lmdb_table *table = memory_new(sizeof *table);

    table->path = memory_format("%s.lmdb", source->name);
    if (open_file(table, error))
        return table;
    free(table->path);
    free(table);
    return NULL;
}

void lmdb_set_form(void *state, enum table_form form)
{
    ((struct lmdb_table *)state)->form = form;
}

void lmdb_close(void *state)
{
    struct lmdb_table *table = state;

    mdb_env_close(table->env);
    free(table->path);
    free(table);
}

bool lmdb_changed(const void *state)
{
    const struct lmdb_table *table = state;
    struct stat status;

    return fstat(table->fd, &status) == 0 && status.st_nlink == 0;
}

/* Takes the new file when there is one within reach; otherwise the old one goes on answering. */
static void follow_replacement(struct lmdb_table *table)
{
    struct lmdb_table fresh = {.path = table->path, .form = table->form};
    struct error ignored;

    if (!open_file(&fresh, &ignored))
        return;
    mdb_env_close(table->env);
    *table = fresh;
}

/* Between lock and unlock no other task runs: the lock is one for all tables and tasks of the open file. */
static bool begin_locked(struct lmdb_table *table, MDB_txn **transaction, struct error *error)
{
    if (lmdb_changed(table))
        follow_replacement(table);
    if (!lmdb_file_lock(table->fd, F_RDLCK, error))
        return false;
    if (begin(table->env, transaction, error))
        return true;
    lmdb_file_lock(table->fd, F_UNLCK, &(struct error){{0}});
    return false;
}

static void end_locked(struct lmdb_table *table, MDB_txn *transaction)
{
    struct error ignored;

    mdb_txn_abort(transaction);
    lmdb_file_lock(table->fd, F_UNLCK, &ignored);
}

static size_t length_without_nul(const MDB_val *value)
{
    const char *bytes = value->mv_data;

    return value->mv_size > 0 && bytes[value->mv_size - 1] == '\0' ? value->mv_size - 1 : value->mv_size;
}

static int get(struct lmdb_table *table, MDB_txn *transaction, const char *key, MDB_val *value)
{
    MDB_val stored = {.mv_size = strlen(key) + 1, .mv_data = memory_copy_string(key)};
    int status = MDB_NOTFOUND;

    if (table->form != TABLE_FORM_BARE)
        status = mdb_get(transaction, table->dbi, &stored, value);
    stored.mv_size--;
    if (status == MDB_NOTFOUND && table->form != TABLE_FORM_WITH_NUL && stored.mv_size > 0)
        status = mdb_get(transaction, table->dbi, &stored, value);
    free(stored.mv_data);
    /* A key too long for any table is in none. */
    return status == MDB_BAD_VALSIZE ? MDB_NOTFOUND : status;
}

enum table_result lmdb_lookup(void *state, const char *key, struct text *result, struct error *error)
{
    struct lmdb_table *table = state;
    MDB_txn *transaction;
    MDB_val value;
    int status;

    if (!begin_locked(table, &transaction, error))
        return TABLE_ERROR;
    status = get(table, transaction, key, &value);
    if (status == 0)
        text_append_bytes(result, value.mv_data, length_without_nul(&value));
    end_locked(table, transaction);
    if (status == 0 || status == MDB_NOTFOUND)
        return status == 0 ? TABLE_FOUND : TABLE_NOT_FOUND;
    error_set(error, "%s", mdb_strerror(status));
    return TABLE_ERROR;
}

static int walk(MDB_cursor *cursor, table_entry_fn *entry, void *context)
{
    struct text key_text = {0}, value_text = {0};
    MDB_val key, value;
    int status;

    while ((status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        text_clear(&key_text);
        text_clear(&value_text);
        text_append_bytes(&key_text, key.mv_data, length_without_nul(&key));
        text_append_bytes(&value_text, value.mv_data, length_without_nul(&value));
        entry(context, text_string(&key_text), text_string(&value_text));
    }
    text_free(&key_text);
    text_free(&value_text);
    return status;
}

bool lmdb_walk(void *state, table_entry_fn *entry, void *context, struct error *error)
{
    struct lmdb_table *table = state;
    MDB_txn *transaction;
    MDB_cursor *cursor;
    int status;

    if (!begin_locked(table, &transaction, error))
        return false;
    status = mdb_cursor_open(transaction, table->dbi, &cursor);
    if (status == 0) {
        status = walk(cursor, entry, context);
        mdb_cursor_close(cursor);
    }
    end_locked(table, transaction);
    return status == MDB_NOTFOUND || error_set(error, "%s: %s", table->path, mdb_strerror(status));
}
