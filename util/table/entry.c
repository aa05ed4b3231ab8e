#include "util/table/entry.h"

#include <string.h>

#include "util/base/log.h"
#include "util/base/text.h"

/* The end of a key, white space inside double quotes being part of it. NULL: a quote is never closed. */
static char *key_end(char *key)
{
    bool quoted = false;
    char *end = key;

    for (; *end != '\0' && (quoted || !ascii_is_space(*end)); end++) {
        if (*end == '"')
            quoted = !quoted;
        else if (*end == '\\' && end[1] != '\0')
            end++;
    }
    return quoted ? NULL : end;
}

bool table_entry_split(char *text, const char *path, int line, const char *consequence, char **key, char **value)
{
    char *end = key_end(text);
    size_t length;

    if (end == NULL) {
        log_warning(NULL, "%s, line %d: unbalanced '\"' in '%s' -- ignoring this line", path, line, text);
        return false;
    }
    if (*end != '\0')
        *end++ = '\0';
    *key = text;
    *value = string_trim(end);
    if (**key == '\0' || **value == '\0') {
        log_warning(NULL, "%s, line %d: expected format: key whitespace value%s", path, line, consequence);
        return false;
    }
    length = strlen(*key);
    if ((*key)[length - 1] == ':')
        log_warning(NULL, "%s, line %d: record is in \"key: value\" format; is this an alias file?", path, line);
    return true;
}
