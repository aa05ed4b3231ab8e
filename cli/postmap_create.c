/* postmap: making and changing indexed files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/postmap.h"
#include "util/base/lines.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/table/entry.h"

static struct table_writer *open_writer(const char *table, enum table_write_mode mode)
{
    struct error error;
    struct table_writer *writer = table_writer_open(table, mode, &error);

    if (writer == NULL)
        die("%s", error.text);
    return writer;
}

static void commit(struct table_writer *writer)
{
    struct error error;

    if (!table_writer_commit(writer, &error))
        die("%s", error.text);
}

static void put(const struct postmap *postmap, const char *table, struct table_writer *writer, char *key,
                const char *value)
{
    struct error error;
    bool duplicate;

    if (!postmap->exact)
        ascii_lower_string(key);
    if (!table_writer_put(writer, key, value, postmap->duplicates, &duplicate, &error)) {
        table_writer_abandon(writer);
        die("%s", error.text);
    }
    if (duplicate && postmap->duplicates == TABLE_DUPLICATE_WARN)
        log_warning(NULL, "%s: duplicate entry: \"%s\"", table, key);
}

static void put_files(const struct postmap *postmap, const char *table, struct table_writer *writer, char *key,
                      const char *names, const char *path, int line)
{
    struct text encoded = {0};
    struct error error;

    if (postmap_encode_files(names, &encoded, &error))
        put(postmap, table, writer, key, encoded.data);
    else
        log_warning(NULL, "%s, line %d: %s: skipping this entry", path, line, error.text);
    text_wipe(&encoded);
}

static void put_line(const struct postmap *postmap, const char *table, struct table_writer *writer, char *text,
                     const char *path, int line)
{
    char *key, *value;

    if (postmap->check_utf8 && !string_valid_utf8(text, strlen(text)))
        log_warning(NULL, "%s, line %d: non-UTF-8 input \"%s\" -- ignoring this line", path, line,
                    string_printable(text, false));
    else if (!table_entry_split(text, path, line, "", &key, &value))
        return;
    else if (postmap->files)
        put_files(postmap, table, writer, key, value, path, line);
    else
        put(postmap, table, writer, key, value);
}

/* Reads everything, writes nothing before the end: a source that cannot be read leaves the table as it was. */
static void put_lines(const struct postmap *postmap, const char *table, struct line_reader *reader,
                      struct table_writer *writer)
{
    struct error error;
    char *text;

    while ((text = line_reader_next(reader)) != NULL)
        put_line(postmap, table, writer, text, line_reader_path(reader), line_reader_number(reader));
    if (line_reader_failed(reader, &error)) {
        table_writer_abandon(writer);
        die("%s", error.text);
    }
    commit(writer);
}

/* The table gets the source's permissions, and unless -o is given root works with the owner's rights only: the
 * source's directory may be a trap that its owner laid. */
static void follow_source(const struct postmap *postmap, struct line_reader *reader)
{
    struct stat status;

    if (fstat(fileno(line_reader_file(reader)), &status) != 0)
        die("fstat %s: %s", line_reader_path(reader), strerror(errno));
    if (!postmap->default_mode)
        umask(~status.st_mode & 0777);
    if (!postmap->keep_root && geteuid() == 0 && status.st_uid != 0 &&
        (setegid(status.st_gid) != 0 || seteuid(status.st_uid) != 0))
        die("cannot run as the owner of %s: %s", line_reader_path(reader), strerror(errno));
}

static void become_root_again(uid_t user, gid_t group)
{
    if ((geteuid() != user && seteuid(user) != 0) || (getegid() != group && setegid(group) != 0))
        die("cannot have the old privileges back: %s", strerror(errno));
}

static struct line_reader *open_source(const char *table)
{
    struct error error;
    struct line_reader *reader = line_reader_open(strchr(table, ':') + 1, &error);

    if (reader == NULL)
        die("%s", error.text);
    return reader;
}

void postmap_create(const struct postmap *postmap, const char *table)
{
    struct line_reader *reader;
    uid_t user = geteuid();
    gid_t group = getegid();

    umask(022);
    reader = postmap->incremental ? line_reader_new(stdin, "stdin") : open_source(table);
    if (!postmap->incremental)
        follow_source(postmap, reader);
    put_lines(postmap, table, reader, open_writer(table, postmap->incremental ? TABLE_UPDATE : TABLE_REPLACE));
    line_reader_close(reader);
    become_root_again(user, group);
}

/* ---- -d ---- */

static bool delete_key(const struct postmap *postmap, struct table_writer *writer, const char *key)
{
    struct error error;
    char *copy = memory_copy_string(key);
    bool existed;

    if (!postmap->exact)
        ascii_lower_string(copy);
    if (!table_writer_delete(writer, copy, &existed, &error)) {
        table_writer_abandon(writer);
        die("%s", error.text);
    }
    free(copy);
    return existed;
}

/* A table that is not there is not made. */
static struct table_writer *open_existing(const char *table)
{
    struct error error;
    struct table *existing = table_open_strictly(table, &error);

    if (existing == NULL)
        die("%s", error.text);
    table_close(existing);
    return open_writer(table, TABLE_UPDATE);
}

bool postmap_delete(const struct postmap *postmap, const char *table, const char *key)
{
    struct table_writer *writer = open_existing(table);
    bool existed = delete_key(postmap, writer, key);

    if (existed)
        commit(writer);
    else
        table_writer_abandon(writer);
    return existed;
}

bool postmap_delete_stdin(const struct postmap *postmap, char *const *tables)
{
    struct table_writer *writers[64];
    size_t count = 0, size = 0;
    char *line = NULL;
    ssize_t length;
    bool existed = false;

    for (; tables[count] != NULL; count++) {
        if (count == sizeof writers / sizeof *writers)
            die("too many tables");
        writers[count] = open_existing(tables[count]);
    }
    while ((length = getline(&line, &size, stdin)) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < count; i++)
            existed = delete_key(postmap, writers[i], line) || existed;
    }
    for (size_t i = 0; i < count; i++)
        commit(writers[i]);
    free(line);
    return existed;
}
