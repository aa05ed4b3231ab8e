#include "util/base/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

struct line_reader {
    FILE *file;
    bool owns_file;
    char *path;
    struct text line;
    char *physical; /* getline's */
    size_t physical_size;
    bool holds_next; /* physical is the start of the line after the one at hand */
    int physical_number, number;
    int failure; /* errno */
};

struct line_reader *line_reader_new(FILE *file, const char *path)
{
    struct line_reader *reader = memory_new(sizeof *reader);

    reader->file = file;
    reader->path = memory_copy_string(path);
    return reader;
}

struct line_reader *line_reader_open(const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    struct line_reader *reader;

    if (file == NULL) {
        error_set(error, "open %s: %s", path, strerror(errno));
        return NULL;
    }
    reader = line_reader_new(file, path);
    reader->owns_file = true;
    return reader;
}

void line_reader_close(struct line_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->owns_file)
        fclose(reader->file);
    free(reader->path);
    free(reader->physical);
    text_free(&reader->line);
    free(reader);
}

/* False at the end of the file. What is skipped never shows. */
static bool read_physical(struct line_reader *reader)
{
    while (errno = 0, getline(&reader->physical, &reader->physical_size, reader->file) >= 0) {
        const char *first = reader->physical;

        reader->physical_number++;
        while (ascii_is_space(*first))
            first++;
        if (*first != '\0' && *first != '#')
            return true;
    }
    if (ferror(reader->file))
        reader->failure = errno != 0 ? errno : EIO;
    return false;
}

static void append_physical(struct line_reader *reader)
{
    size_t length = strcspn(reader->physical, "\n");

    text_append_bytes(&reader->line, reader->physical, length);
}

static bool read_first(struct line_reader *reader)
{
    while (reader->holds_next || read_physical(reader)) {
        reader->holds_next = true;
        if (!ascii_is_space(reader->physical[0]))
            return true;
        reader->physical[strcspn(reader->physical, "\n")] = '\0';
        log_warning(NULL, "%s, line %d: logical line must not start with whitespace: \"%.100s\"", reader->path,
                    reader->physical_number, reader->physical);
        reader->holds_next = false;
    }
    return false;
}

char *line_reader_next(struct line_reader *reader)
{
    if (!read_first(reader))
        return NULL;
    text_clear(&reader->line);
    append_physical(reader);
    reader->number = reader->physical_number;
    while ((reader->holds_next = read_physical(reader)) && ascii_is_space(reader->physical[0]))
        append_physical(reader);
    if (reader->failure != 0)
        return NULL;
    while (reader->line.length > 0 && ascii_is_space(reader->line.data[reader->line.length - 1]))
        text_truncate(&reader->line, reader->line.length - 1);
    return reader->line.data;
}

int line_reader_number(const struct line_reader *reader)
{
    return reader->number;
}

const char *line_reader_path(const struct line_reader *reader)
{
    return reader->path;
}

FILE *line_reader_file(const struct line_reader *reader)
{
    return reader->file;
}

bool line_reader_failed(const struct line_reader *reader, struct error *error)
{
    if (reader->failure != 0)
        error_set(error, "read %s: %s", reader->path, strerror(reader->failure));
    return reader->failure != 0;
}
