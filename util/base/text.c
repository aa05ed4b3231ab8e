#include "util/base/text.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"

enum { FORMAT_GUESS = 120 }; /* what most formatted pieces fit into */

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

void text_wipe(struct text *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->capacity);
    text_free(text);
}

void text_truncate(struct text *text, size_t length)
{
    assert(length <= text->length);
    text->length = length;
    if (text->data != NULL)
        text->data[length] = '\0';
}

void text_grow(struct text *text, size_t extra)
{
    size_t need = text->length + extra + 1;
    size_t capacity = text->capacity > 0 ? text->capacity : 32;

    while (capacity < need)
        capacity *= 2;
    text->data = memory_resize(text->data, capacity);
    text->capacity = capacity;
    text->data[text->length] = '\0';
}

void text_append_number(struct text *text, int64_t number)
{
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    char digits[20], *first = digits + sizeof digits;

    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--first = '-';
    text_append_bytes(text, first, (size_t)(digits + sizeof digits - first));
}

void text_append_format_list(struct text *text, const char *format, va_list arguments)
{
    size_t room;
    va_list again;
    int length;

    text_reserve(text, FORMAT_GUESS);
    room = text->capacity - text->length;
    va_copy(again, arguments);
    length = vsnprintf(text->data + text->length, room, format, again);
    va_end(again);
    assert(length >= 0);
    if ((size_t)length >= room) {
        text_reserve(text, (size_t)length);
        vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    }
    text->length += (size_t)length;
}

void text_append_format(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_append_format_list(text, format, arguments);
    va_end(arguments);
}

char *text_take(struct text *text)
{
    char *data = text->data != NULL ? text->data : memory_copy_string("");

    *text = (struct text){0};
    return data;
}

void ascii_lower_string(char *string)
{
    for (; *string != '\0'; string++)
        *string = ascii_lower(*string);
}

bool string_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool string_equal_ignore_case(const char *a, const char *b)
{
    while (*a != '\0' && ascii_lower(*a) == ascii_lower(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

bool string_starts(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool string_starts_ignore_case(const char *string, const char *prefix)
{
    for (; *prefix != '\0'; string++, prefix++)
        if (ascii_lower(*string) != ascii_lower(*prefix))
            return false;
    return true;
}

bool string_ends(const char *string, const char *suffix)
{
    size_t length = strlen(string), tail = strlen(suffix);

    return length >= tail && string_equal(string + length - tail, suffix);
}

bool string_ends_ignore_case(const char *string, const char *suffix)
{
    size_t length = strlen(string), tail = strlen(suffix);

    return length >= tail && string_equal_ignore_case(string + length - tail, suffix);
}

bool string_has_high_bytes(const char *string)
{
    while ((signed char)*string > 0)
        string++;
    return *string != '\0';
}

bool string_all_digits(const char *string)
{
    size_t digits = strspn(string, "0123456789");

    return digits > 0 && string[digits] == '\0';
}

char *string_next_word(char **cursor, const char *separators)
{
    char *word = *cursor + strspn(*cursor, separators);

    if (*word == '\0') {
        *cursor = word;
        return NULL;
    }
    *cursor = word + strcspn(word, separators);
    if (**cursor != '\0')
        *(*cursor)++ = '\0';
    return word;
}

char *string_next_word_grouped(char **cursor, const char *separators)
{
    char *word = *cursor + strspn(*cursor, separators), *end;
    int depth = 0;

    for (end = word; *end != '\0' && (depth > 0 || strchr(separators, *end) == NULL); end++) {
        if (*end == '{')
            depth++;
        if (*end == '}' && depth > 0)
            depth--;
    }
    *cursor = end;
    if (end == word)
        return NULL;
    if (*end != '\0')
        *(*cursor)++ = '\0';
    return word;
}

/* Where the brace that opens at string closes, or NULL. */
static char *matching_brace(char *string)
{
    int depth = 0;

    for (; *string != '\0'; string++) {
        if (*string == '{')
            depth++;
        if (*string == '}' && --depth == 0)
            return string;
    }
    return NULL;
}

char *string_next_word_braced(char **cursor, const char *separators)
{
    char *word = *cursor + strspn(*cursor, separators);
    char *end = *word == '{' ? matching_brace(word) : NULL;

    if (end == NULL)
        return string_next_word(cursor, separators);
    *end = '\0';
    *cursor = end + 1;
    return string_trim(word + 1);
}

char *string_trim(char *string)
{
    size_t length;

    while (ascii_is_space(*string))
        string++;
    length = strlen(string);
    while (length > 0 && ascii_is_space(string[length - 1]))
        string[--length] = '\0';
    return string;
}

/* The length of the valid UTF-8 sequence (RFC 3629) that starts at bytes, or 0. */
static size_t utf8_sequence(const unsigned char *bytes, size_t left)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t extra = 0; extra < sizeof forms / sizeof *forms; extra++) {
        uint32_t point;

        if ((bytes[0] & forms[extra].mask) != forms[extra].lead)
            continue;
        if (left < extra + 1)
            return 0;
        point = bytes[0] & (unsigned char)~forms[extra].mask;
        for (size_t i = 1; i <= extra; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (bytes[i] & 0x3f);
        }
        if (point < forms[extra].least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return 0;
        return extra + 1;
    }
    return 0;
}

bool string_valid_utf8(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t step = (bytes[i] & 0x80) == 0 ? 1 : utf8_sequence((const unsigned char *)bytes + i, length - i);

        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

char *string_printable(char *string, bool allow_utf8)
{
    char *odd = string;
    bool keep;

    while (ascii_is_printable(*odd))
        odd++;
    if (*odd == '\0') /* as almost all are */
        return string;
    keep = allow_utf8 && string_valid_utf8(odd, strlen(odd));
    for (char *c = odd; *c != '\0'; c++)
        if (!ascii_is_printable(*c) && !(keep && (*c & 0x80) != 0))
            *c = '?';
    return string;
}
