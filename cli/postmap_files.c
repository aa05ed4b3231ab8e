/* postmap -F: values that stand for the contents of files, base64 in the table. */
#include <stdlib.h>
#include <string.h>

#include "cli/postmap.h"
#include "util/base/base64.h"
#include "util/base/memory.h"
#include "util/task/private_files.h"

static bool append_file(const char *path, struct text *contents, struct error *error)
{
    struct private_files *files = private_files_new();
    struct text content = {0};
    bool good = private_files_read(files, private_files_add(files, path), &content, error);

    if (good && contents->length > 0)
        text_append_char(contents, '\n');
    if (good)
        text_append_bytes(contents, text_string(&content), content.length);
    text_wipe(&content);
    private_files_free(files);
    return good || error_prefix(error, "open ");
}

static bool read_files(const char *names, struct text *contents, struct error *error)
{
    char *copy = memory_copy_string(names), *cursor = copy, *path;
    bool good = true, any = false;

    while (good && (path = string_next_word(&cursor, " \t\r\n,")) != NULL) {
        good = append_file(path, contents, error);
        any = true;
    }
    free(copy);
    return good && (any || error_set(error, "no file is named"));
}

bool postmap_encode_files(const char *names, struct text *encoded, struct error *error)
{
    struct text contents = {0};
    bool good = read_files(names, &contents, error);

    text_clear(encoded);
    if (good)
        base64_encode(text_string(&contents), contents.length, encoded);
    text_wipe(&contents);
    return good;
}

bool postmap_decode_files(const char *value, struct text *contents, struct error *error)
{
    text_clear(contents);
    return base64_decode(value, contents) || read_files(value, contents, error);
}
