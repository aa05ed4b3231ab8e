/* text - a string that grows, and the few questions that are asked of plain strings.
 *
 * A struct text is owned by whoever declares it; `= {0}` is an empty one, text_free releases it. data is NUL
 * terminated whenever it is not NULL, and may hold NULs before that. text_string is never NULL. */
#ifndef UTIL_BASE_TEXT_H
#define UTIL_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *data;
    size_t length;
    size_t capacity;
};

void text_free(struct text *text);
void text_wipe(struct text *text);  /* as text_free, for secrets: no trace of them is left in the memory */
void text_truncate(struct text *text, size_t length);
void text_grow(struct text *text, size_t extra); /* text_reserve, where there is no room yet */
void text_append_number(struct text *text, int64_t number); /* in decimal */
void text_append_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append_format_list(struct text *text, const char *format, va_list arguments);
char *text_take(struct text *text); /* the caller frees; the text is empty afterwards */

static inline const char *text_string(const struct text *text)
{
    return text->data != NULL ? text->data : "";
}

/* Keeps the memory. */
static inline void text_clear(struct text *text)
{
    text->length = 0;
    if (text->data != NULL)
        *text->data = '\0';
}

/* Room for extra more bytes and a NUL. */
static inline void text_reserve(struct text *text, size_t extra)
{
    if (text->capacity - text->length <= extra)
        text_grow(text, extra);
}

static inline void text_append_bytes(struct text *text, const void *bytes, size_t length)
{
    text_reserve(text, length);
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

static inline void text_append(struct text *text, const char *string)
{
    text_append_bytes(text, string, strlen(string));
}

static inline void text_append_char(struct text *text, char c)
{
    text_reserve(text, 1);
    text->data[text->length++] = c;
    text->data[text->length] = '\0';
}

/* ASCII only, whatever the locale: mail is not written in the operator's language. */
static inline bool ascii_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 32 to 126 */
static inline bool ascii_is_printable(char c)
{
    return c >= 32 && c <= 126;
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

void ascii_lower_string(char *string);

bool string_equal(const char *a, const char *b);
bool string_equal_ignore_case(const char *a, const char *b);
bool string_starts(const char *string, const char *prefix);
bool string_starts_ignore_case(const char *string, const char *prefix);
bool string_ends(const char *string, const char *suffix);
bool string_ends_ignore_case(const char *string, const char *suffix);
bool string_has_high_bytes(const char *string); /* anything beyond ASCII */
bool string_all_digits(const char *string); /* and not empty */

/* Splits in place: returns the next word of *cursor between any of separators, NULL at the end. With braces, a
 * word that starts with { runs to its matching } and is returned without them, outer blanks trimmed. */
char *string_next_word(char **cursor, const char *separators);
char *string_next_word_braced(char **cursor, const char *separators);
/* The same, but braces stay, and hold a word together wherever they stand in it: inline:{a=b, c=d}. */
char *string_next_word_grouped(char **cursor, const char *separators);
char *string_trim(char *string); /* in place, white space at both ends */

/* Replaces what is not printable ASCII by '?', in place; UTF-8 stays when it is valid and allow_utf8. */
char *string_printable(char *string, bool allow_utf8);
bool string_valid_utf8(const char *bytes, size_t length);

#endif
