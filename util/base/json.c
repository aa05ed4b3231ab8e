#include "util/base/json.h"

#include <string.h>

static void append_character(struct text *text, unsigned char c, bool valid)
{
    static const char escaped[] = "\"\\\n\t\r\b\f", letters[] = "\"\\ntrbf";
    const char *found = c != '\0' ? strchr(escaped, c) : NULL;

    if (found != NULL)
        text_append_format(text, "\\%c", letters[found - escaped]);
    else if (c < 32)
        text_append_format(text, "\\u%04X", c);
    else
        text_append_char(text, c >= 0x80 && !valid ? '?' : (char)c);
}

void json_append_string(struct text *text, const char *string)
{
    bool valid = string_valid_utf8(string, strlen(string));

    text_append_char(text, '"');
    for (; *string != '\0'; string++)
        append_character(text, (unsigned char)*string, valid);
    text_append_char(text, '"');
}

void json_append_member(struct text *text, const char *name, const char *value)
{
    json_append_string(text, name);
    text_append(text, ": ");
    json_append_string(text, value);
}
