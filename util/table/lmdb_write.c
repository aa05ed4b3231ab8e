/* The writer behind postmap: a new LMDB file beside the old one, renamed over it when it is complete and on disk.
 *
 * An update works on a copy. While a writer works it holds flock(2) on the old file, so that updates follow one
 * another and each sees the one before; readers never look at that lock. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/base/directory.h"
#include "util/base/memory.h"
#include "util/table/internal.h"
#include "util/table/lmdb_file.h"

/* A transaction's changes; after that many bytes it is committed and the map gets room for the next: for new pages,
 * half full at worst, and for a copy of each page there is, since a page that changes is written elsewhere. */
enum { BATCH_BYTES = 32 * 1024 * 1024, MAP_ROOM = 4 * BATCH_BYTES, ENTRY_OVERHEAD = 64 };

struct table_file {
    char *path, *temporary;
    int old_fd; /* of the file to be replaced, with its flock; -1: there is none */
    MDB_env *env;
    MDB_txn *transaction; /* NULL: lost */
    MDB_dbi dbi;
    size_t batched;
    enum table_form form;
};

static bool set_failure(struct table_file *file, const char *what, int status, struct error *error)
{
    return error_set(error, "%s %s: %s", what, file->path, mdb_strerror(status));
}

static void table_file_free(struct table_file *file)
{
    if (file->transaction != NULL)
        mdb_txn_abort(file->transaction);
    if (file->env != NULL)
        mdb_env_close(file->env);
    if (file->old_fd >= 0)
        close(file->old_fd);
    free(file->path);
    free(file->temporary);
    free(file);
}

/* The file that is there now, locked: another writer may have replaced it while its lock was waited for. */
static bool lock_old(struct table_file *file, bool must_exist, struct error *error)
{
    struct stat locked, now;

    for (;;) {
        file->old_fd = open(file->path, O_RDONLY | O_CLOEXEC);
        if (file->old_fd < 0)
            return (errno == ENOENT && !must_exist) ||
                   error_set(error, "open database %s: %s", file->path, strerror(errno));
        if (flock(file->old_fd, LOCK_EX) != 0)
            return error_set(error, "lock %s: %s", file->path, strerror(errno));
        if (fstat(file->old_fd, &locked) == 0 && stat(file->path, &now) == 0 && locked.st_ino == now.st_ino)
            return true;
        close(file->old_fd);
    }
}

/* Postfix's postmap may be changing the old file where it lies. */
static bool copy_old(const struct table_file *file, int to, struct error *error)
{
    char buffer[16384];
    ssize_t count;

    if (!lmdb_file_lock(file->old_fd, F_RDLCK, error))
        return error_prefix(error, "%s: ", file->path);
    while ((count = read(file->old_fd, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, (size_t)count) != count)
            return error_set(error, "write %s: %s", file->temporary, strerror(errno));
    if (count < 0)
        return error_set(error, "read %s: %s", file->path, strerror(errno));
    return lmdb_file_lock(file->old_fd, F_UNLCK, error);
}

static bool make_temporary(struct table_file *file, enum table_write_mode mode, struct error *error)
{
    mode_t mask = umask(0);
    struct stat status;
    int fd;
    bool good;

    umask(mask);
    file->temporary = memory_format("%s.XXXXXX", file->path);
    fd = mkostemp(file->temporary, O_CLOEXEC);
    if (fd < 0)
        return error_set(error, "open database %s: %s", file->path, strerror(errno));
    status.st_mode = 0666 & ~mask;
    good = file->old_fd < 0 || (fstat(file->old_fd, &status) == 0 &&
                                (fchown(fd, status.st_uid, status.st_gid) == 0 || errno == EPERM));
    good = good && fchmod(fd, status.st_mode & 07777) == 0;
    if (!good)
        error_set(error, "create database %s: %s", file->path, strerror(errno));
    if (good && file->old_fd >= 0 && mode != TABLE_REPLACE)
        good = copy_old(file, fd, error);
    close(fd);
    return good;
}

/* Between transactions: the map is given room for the next batch. */
static bool begin_batch(struct table_file *file, size_t entry, struct error *error)
{
    MDB_envinfo info;
    MDB_stat pages;
    int status = mdb_env_info(file->env, &info);

    if (status == 0)
        status = mdb_env_stat(file->env, &pages);
    if (status == 0)
        status = mdb_env_set_mapsize(file->env, 2 * (info.me_last_pgno + 1) * pages.ms_psize + MAP_ROOM + 2 * entry);
    if (status == 0)
        status = mdb_txn_begin(file->env, NULL, 0, &file->transaction);
    file->batched = entry;
    return status == 0 || set_failure(file, "update database", status, error);
}

static bool end_batch(struct table_file *file, struct error *error)
{
    int status = mdb_txn_commit(file->transaction);

    file->transaction = NULL;
    return status == 0 || set_failure(file, "update database", status, error);
}

/* LMDB's own syncs are left out: the file counts only once it has been synced and renamed. */
static bool open_temporary(struct table_file *file, struct error *error)
{
    int status = mdb_env_create(&file->env);

    if (status == 0)
        status = mdb_env_open(file->env, file->temporary, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
    if (status != 0)
        return set_failure(file, "open database", status, error);
    if (!begin_batch(file, 0, error))
        return false;
    status = mdb_dbi_open(file->transaction, NULL, 0, &file->dbi);
    return status == 0 || set_failure(file, "open database", status, error);
}

static void lmdb_file_abandon(struct table_file *file)
{
    if (file->temporary != NULL)
        unlink(file->temporary);
    table_file_free(file);
}

static struct table_file *lmdb_file_open(const char *name, enum table_write_mode mode, struct error *error)
{
    struct table_file *file = memory_new(sizeof *file);

    file->path = memory_format("%s.lmdb", name);
    file->old_fd = -1;
    if (lock_old(file, mode == TABLE_UPDATE_EXISTING, error) && make_temporary(file, mode, error) && open_temporary(file, error))
        return file;
    lmdb_file_abandon(file);
    return NULL;
}

/* Makes sure that the transaction can take one more entry. */
static bool prepare(struct table_file *file, size_t entry, struct error *error)
{
    if (file->transaction == NULL)
        return error_set(error, "update database %s: an earlier change failed", file->path);
    file->batched += entry;
    return file->batched <= BATCH_BYTES || (end_batch(file, error) && begin_batch(file, entry, error));
}

static void lmdb_file_set_form(struct table_file *file, enum table_form form)
{
    file->form = form;
}

static MDB_val stored(const struct table_file *file, const char *string)
{
    return (MDB_val){.mv_size = strlen(string) + (file->form != TABLE_FORM_BARE),
                     .mv_data = memory_copy_string(string)};
}

static bool lmdb_file_put(struct table_file *file, const char *key, const char *value, bool overwrite, bool *existed,
                          struct error *error)
{
    MDB_val stored_key = stored(file, key), stored_value = stored(file, value);
    MDB_val old = stored_value;
    char *copy = stored_value.mv_data;
    int status = 0;
    bool good = prepare(file, stored_key.mv_size + stored_value.mv_size + ENTRY_OVERHEAD, error);

    if (good)
        status = mdb_put(file->transaction, file->dbi, &stored_key, &old, MDB_NOOVERWRITE);
    *existed = status == MDB_KEYEXIST;
    if (*existed)
        status = overwrite ? mdb_put(file->transaction, file->dbi, &stored_key, &stored_value, 0) : 0;
    free(stored_key.mv_data);
    free(copy);
    return good && (status == 0 || set_failure(file, "update database", status, error));
}

static bool lmdb_file_remove(struct table_file *file, const char *key, bool *existed, struct error *error)
{
    MDB_val stored_key = stored(file, key);
    int status;
    bool good = prepare(file, stored_key.mv_size + ENTRY_OVERHEAD, error);

    status = good ? mdb_del(file->transaction, file->dbi, &stored_key, NULL) : 0;
    if (status == MDB_NOTFOUND && file->form == TABLE_FORM_ANY && stored_key.mv_size > 1) {
        stored_key.mv_size--;
        status = mdb_del(file->transaction, file->dbi, &stored_key, NULL);
    }
    free(stored_key.mv_data);
    *existed = good && status == 0;
    if (status == MDB_NOTFOUND || status == MDB_BAD_VALSIZE)
        status = 0;
    return good && (status == 0 || set_failure(file, "update database", status, error));
}

/* Pages that were taken and given back in one transaction may lie unwritten at the end; readers want them there. */
static bool fill_to_last_page(struct table_file *file, int fd)
{
    MDB_envinfo info;
    MDB_stat pages;
    struct stat status;
    off_t wanted;

    if (mdb_env_info(file->env, &info) != 0 || mdb_env_stat(file->env, &pages) != 0 || fstat(fd, &status) != 0)
        return false;
    wanted = (off_t)((info.me_last_pgno + 1) * pages.ms_psize);
    return status.st_size >= wanted || ftruncate(fd, wanted) == 0;
}

static bool lmdb_file_commit(struct table_file *file, struct error *error)
{
    int fd;
    bool good = file->transaction != NULL ? end_batch(file, error)
                                          : error_set(error, "update database %s: a change failed", file->path);

    if (good && (mdb_env_get_fd(file->env, &fd) != 0 || !fill_to_last_page(file, fd) || fsync(fd) != 0 ||
                 rename(file->temporary, file->path) != 0))
        good = error_set(error, "update database %s: %s", file->path, strerror(errno));
    if (!good) {
        lmdb_file_abandon(file);
        return false;
    }
    directory_sync_of(file->path);
    table_file_free(file);
    return true;
}

const struct table_writing lmdb_writing = {
    .open = lmdb_file_open,
    .set_form = lmdb_file_set_form,
    .put = lmdb_file_put,
    .remove = lmdb_file_remove,
    .commit = lmdb_file_commit,
    .abandon = lmdb_file_abandon,
};
