#include "util/table/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/lmdb_file.h"

struct store {
    char *path;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *batch;  /* NULL: none is open */
    int batch_error; /* of the first change in it that failed */
};

enum { PAGE = 4096 };

static bool set_failure(const struct store *store, int status, struct error *error)
{
    return error_set(error, "%s: %s", store->path, mdb_strerror(status));
}

/* ---- opening ---- */

/* Pages that are taken and given back in one transaction may lie unwritten beyond the end of the file, where reading them would
 * kill the process: so the file has room for all that can be. */
static bool fill(int fd, size_t size_limit, struct error *error)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && (status.st_size >= (off_t)size_limit || ftruncate(fd, (off_t)size_limit) == 0))
        return true;
    return error_set(error, "%s", strerror(errno));
}

static int open_dbi(struct store *store, unsigned flags)
{
    MDB_txn *transaction;
    int status = mdb_txn_begin(store->env, NULL, flags, &transaction);

    if (status != 0)
        return status;
    status = mdb_dbi_open(transaction, NULL, 0, &store->dbi);
    if (status == 0)
        return mdb_txn_commit(transaction);
    mdb_txn_abort(transaction);
    return status;
}

/* size_limit 0: to read. *damaged: the file is, and error says how. On failure nothing stays open. */
static bool open_file(struct store *store, size_t size_limit, unsigned flags, bool *damaged, struct error *error)
{
    int fd = -1, status = mdb_env_create(&store->env);
    bool whole;

    if (status == 0 && size_limit > 0)
        status = mdb_env_set_mapsize(store->env, size_limit);
    if (status == 0)
        status = mdb_env_open(store->env, store->path, MDB_NOSUBDIR | MDB_NOTLS | flags, 0600);
    if (status == 0)
        status = mdb_env_get_fd(store->env, &fd);
    *damaged = status == MDB_INVALID || status == MDB_VERSION_MISMATCH || status == MDB_CORRUPTED;
    whole = status == 0 && lmdb_file_is_whole(store->env, fd, error);
    *damaged |= status == 0 && !whole;
    if (whole && size_limit > 0 && !fill(fd, size_limit, error))
        whole = false;
    if (whole && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && (status = open_dbi(store, flags & MDB_RDONLY)) == 0)
        return true;
    if (status != 0)
        error_set(error, "%s", mdb_strerror(status));
    mdb_env_close(store->env);
    store->env = NULL;
    return false;
}

/* What is in the file is lost either way; whoever wants to look at it still can. */
static void set_aside(const struct store *store, const struct error *why)
{
    char *aside = memory_format("%s.damaged", store->path);

    log_warning(NULL, "%s is damaged (%s): beginning anew; the old file is now %s", store->path, why->text, aside);
    if (rename(store->path, aside) != 0)
        log_warning(NULL, "rename %s to %s: %s", store->path, aside, strerror(errno));
    free(aside);
}

static struct store *store_new(const char *path)
{
    struct store *store = memory_new(sizeof *store);

    store->path = memory_copy_string(path);
    return store;
}

static struct store *fail_open(struct store *store, struct error *error)
{
    error_prefix(error, "open database %s: ", store->path);
    store_close(store);
    return NULL;
}

struct store *store_open(const char *path, size_t size_limit, bool lazy, struct error *error)
{
    struct store *store = store_new(path);
    size_t size = (size_limit / PAGE + 1) * PAGE;
    unsigned flags = lazy ? MDB_NOMETASYNC : 0;
    bool damaged, open = open_file(store, size, flags, &damaged, error);
    int ignored;

    if (!open && damaged) {
        set_aside(store, error);
        open = open_file(store, size, flags, &damaged, error);
    }
    if (!open)
        return fail_open(store, error);
    mdb_reader_check(store->env, &ignored); /* readers that were killed would keep old pages for ever */
    return store;
}

static bool has_lock_file(const char *path)
{
    char *lock = memory_format("%s-lock", path);
    bool has = access(lock, F_OK) == 0;

    free(lock);
    return has;
}

struct store *store_open_to_read(const char *path, struct error *error)
{
    struct store *store = store_new(path);
    bool damaged;

    /* LMDB would make the lock file, which the writer might not be allowed to open then. */
    if (!has_lock_file(path)) {
        error_set(error, "%s", strerror(errno));
        return fail_open(store, error);
    }
    return open_file(store, 0, MDB_RDONLY, &damaged, error) ? store : fail_open(store, error);
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->batch != NULL)
        mdb_txn_abort(store->batch);
    if (store->env != NULL)
        mdb_env_close(store->env);
    free(store->path);
    free(store);
}

/* ---- looking ---- */

/* LMDB's type is not const; nothing is written there. */
static MDB_val key_of(const char *key)
{
    return (MDB_val){.mv_size = strlen(key), .mv_data = (void *)(uintptr_t)key};
}

static int begin_read(struct store *store, MDB_txn **transaction)
{
    int status = mdb_txn_begin(store->env, NULL, MDB_RDONLY, transaction);

    if (status == MDB_MAP_RESIZED && (status = mdb_env_set_mapsize(store->env, 0)) == 0)
        status = mdb_txn_begin(store->env, NULL, MDB_RDONLY, transaction);
    return status;
}

bool store_get(struct store *store, const char *key, struct text *value, struct error *error)
{
    MDB_txn *transaction = store->batch;
    MDB_val name = key_of(key), found;
    int status = transaction == NULL ? begin_read(store, &transaction) : 0;

    text_clear(value);
    error->text[0] = '\0';
    if (status == 0)
        status = mdb_get(transaction, store->dbi, &name, &found);
    if (status == 0)
        text_append_bytes(value, found.mv_data, found.mv_size);
    if (transaction != NULL && transaction != store->batch)
        mdb_txn_abort(transaction);
    if (status != 0 && status != MDB_NOTFOUND)
        set_failure(store, status, error);
    return status == 0;
}

static int walk(MDB_cursor *cursor, const char *prefix, store_each_fn *function, void *context)
{
    struct text name = {0};
    MDB_val key = key_of(prefix), value;
    bool more = true;
    int status = mdb_cursor_get(cursor, &key, &value, *prefix != '\0' ? MDB_SET_RANGE : MDB_FIRST);

    while (status == 0 && more) {
        text_clear(&name);
        text_append_bytes(&name, key.mv_data, key.mv_size);
        more = string_starts(text_string(&name), prefix) && function(context, text_string(&name), value.mv_data, value.mv_size);
        if (more)
            status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    text_free(&name);
    return status;
}

bool store_each(struct store *store, const char *prefix, store_each_fn *function, void *context, struct error *error)
{
    MDB_txn *transaction = NULL;
    MDB_cursor *cursor;
    int status;

    assert(store->batch == NULL);
    status = begin_read(store, &transaction);
    if (status == 0)
        status = mdb_cursor_open(transaction, store->dbi, &cursor);
    if (status == 0) {
        status = walk(cursor, prefix, function, context);
        mdb_cursor_close(cursor);
    }
    if (transaction != NULL)
        mdb_txn_abort(transaction);
    return status == 0 || status == MDB_NOTFOUND || set_failure(store, status, error);
}

/* ---- changing ---- */

bool store_begin(struct store *store, struct error *error)
{
    int status;

    assert(store->batch == NULL);
    store->batch_error = 0;
    status = mdb_txn_begin(store->env, NULL, 0, &store->batch);
    return status == 0 || set_failure(store, status, error);
}

bool store_commit(struct store *store, struct error *error)
{
    MDB_txn *batch = store->batch;
    int status = store->batch_error;

    assert(batch != NULL);
    store->batch = NULL;
    if (status == 0)
        status = mdb_txn_commit(batch);
    else
        mdb_txn_abort(batch);
    return status == 0 || set_failure(store, status, error);
}

/* value NULL: away with it. */
static int change_batch(struct store *store, const char *key, MDB_val *value)
{
    MDB_val name = key_of(key);
    int status = value != NULL ? mdb_put(store->batch, store->dbi, &name, value, 0) : mdb_del(store->batch, store->dbi, &name, NULL);

    if (status == MDB_NOTFOUND)
        status = 0;
    if (store->batch_error == 0)
        store->batch_error = status;
    return status;
}

static bool change(struct store *store, const char *key, MDB_val *value, struct error *error)
{
    if (store->batch != NULL) {
        int status = change_batch(store, key, value);

        return status == 0 || set_failure(store, status, error);
    }
    if (!store_begin(store, error))
        return false;
    change_batch(store, key, value);
    return store_commit(store, error);
}

bool store_put(struct store *store, const char *key, const void *bytes, size_t length, struct error *error)
{
    MDB_val value = {.mv_size = length, .mv_data = (void *)(uintptr_t)bytes};

    return change(store, key, &value, error);
}

bool store_remove(struct store *store, const char *key, struct error *error)
{
    return change(store, key, NULL, error);
}
