#include "util/table/file_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/base64.h"
#include "util/base/memory.h"
#include "util/table/internal.h"

static bool read_file(const char *path, struct text *content, struct error *error)
{
    FILE *file = fopen(path, "re");
    char buffer[8192];
    size_t count;
    bool good;

    if (file == NULL)
        return error_set(error, "open %s: %s", path, strerror(errno));
    while ((count = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append_bytes(content, buffer, count);
    good = !ferror(file) || error_set(error, "read %s: %s", path, strerror(errno));
    fclose(file);
    return good;
}

bool file_value_encode(const char *paths, struct text *encoded, struct error *error)
{
    char *copy = memory_copy_string(paths), *cursor = copy, *path;
    struct text content = {0};
    bool good = true, any = false;

    while (good && (path = string_next_word(&cursor, ", \t\r\n")) != NULL) {
        if (any)
            text_append_char(&content, '\n');
        good = read_file(path, &content, error);
        any = true;
    }
    if (!any)
        good = error_set(error, "empty pathname list: \"%s\"", paths);
    if (good)
        base64_encode(content.data, content.length, encoded);
    text_free(&content);
    free(copy);
    return good;
}

bool table_source_value(const struct table_source *source, const char *value, struct text *kept, struct error *error)
{
    if (source->files)
        return file_value_encode(value, kept, error);
    text_append(kept, value);
    return true;
}
