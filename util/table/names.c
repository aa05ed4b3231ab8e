#include "util/table/names.h"

#include <string.h>

#include "util/base/text.h"
#include "util/table/internal.h"

char *table_names_next(char **cursor)
{
    return string_next_word_grouped(cursor, ", \t\r\n");
}

/* The brace that closes the one at the start; NULL: none. */
static char *closing_brace(char *text)
{
    int depth = 0;

    for (; *text != '\0'; text++) {
        if (*text == '{')
            depth++;
        if (*text == '}' && --depth == 0)
            return text;
    }
    return NULL;
}

bool braces_open(char *text, char **content, struct error *error)
{
    char *end = closing_brace(text);

    if (end == NULL)
        return error_set(error, "missing '}' in \"%s\"", text);
    if (end[1 + strspn(end + 1, " \t\r\n")] != '\0')
        return error_set(error, "syntax error after '}' in \"%s\"", text);
    *end = '\0';
    *content = string_trim(text + 1);
    return true;
}

bool file_mark_changed(const struct file_mark *mark)
{
    struct stat now;

    if (mark->path == NULL || stat(mark->path, &now) != 0)
        return false;
    return now.st_dev != mark->status.st_dev || now.st_ino != mark->status.st_ino ||
           now.st_size != mark->status.st_size || now.st_mtim.tv_sec != mark->status.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != mark->status.st_mtim.tv_nsec;
}
