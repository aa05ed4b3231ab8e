#include "tlsrpt/record.h"

#include <string.h>

#include "mail/address/address.h"
#include "util/base/text.h"

enum { NAME_LIMIT = 32, URI_LIMIT = 1000 };

static const char version[] = "v=TLSRPTv1", blanks[] = " \t";

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, blanks);
}

bool record_is_meant(const char *text)
{
    return string_starts(text, version) && *skip_blanks(text + strlen(version)) == ';';
}

/* ---- URIs ---- */

static int hexadecimal(char c)
{
    c = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 section 2.1. False: a broken escape, or one for what no address has. */
static bool decode(const char *from, size_t length, struct text *plain)
{
    for (size_t i = 0; i < length; i++) {
        char c = from[i];

        if (c == '%') {
            int high = i + 2 < length ? hexadecimal(from[i + 1]) : -1, low = high >= 0 ? hexadecimal(from[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (!ascii_is_printable(c))
            return false;
        text_append_char(plain, c);
    }
    return true;
}

/* RFC 6068: one address. What follows a question mark would be headers; they are not ours to take from others. */
static const char *mailto_address(const char *address, struct arena *arena)
{
    struct text path = {0}, internal = {0};
    const char *rest, *found = NULL;

    text_append_char(&path, '<');
    if (decode(address, strcspn(address, "?"), &path) && path.data[1] != '<') {
        text_append_char(&path, '>');
        if (address_parse_path(text_string(&path), true, false, &internal, &rest) && *rest == '\0' &&
            address_domain(text_string(&internal)) != NULL && address_valid(text_string(&internal), false))
            found = arena_copy(arena, text_string(&internal));
    }
    text_free(&path);
    text_free(&internal);
    return found;
}

/* https://host[:port][/path][?query]: RFC 3986 section 3, without a user. */
static bool https_usable(const char *rest)
{
    size_t host = strcspn(rest, "/?");

    if (host == 0 || *rest == ':' || memchr(rest, '@', host) != NULL)
        return false;
    for (; *rest != '\0'; rest++)
        if (!ascii_is_printable(*rest) || strchr(" \"<>\\^`{|}#", *rest) != NULL)
            return false;
    return true;
}

/* Schemes that are not known, and destinations that cannot be, are passed over: another one may do. */
static void add_destination(struct record *record, const char *uri, struct arena *arena)
{
    struct record_destination destination = {.uri = uri};
    bool usable = false;

    if (strlen(uri) > URI_LIMIT || record->count == RECORD_DESTINATIONS)
        return;
    if (string_starts_ignore_case(uri, "mailto:")) {
        destination.address = mailto_address(uri + strlen("mailto:"), arena);
        usable = destination.address != NULL;
    } else if (string_starts_ignore_case(uri, "https://")) {
        usable = https_usable(uri + strlen("https://"));
    }
    if (usable)
        record->destinations[record->count++] = destination;
}

static void add_destinations(struct record *record, char *list, struct arena *arena)
{
    char *comma;

    do {
        comma = strchr(list, ',');
        if (comma != NULL)
            *comma = '\0';
        add_destination(record, string_trim(list), arena);
        list = comma != NULL ? comma + 1 : list;
    } while (comma != NULL);
}

/* ---- fields ---- */

static bool name_valid(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++)
        if (!ascii_is_alpha(name[i]) && !ascii_is_digit(name[i]) && (i == 0 || strchr("_-.", name[i]) == NULL))
            return false;
    return length > 0 && length <= NAME_LIMIT;
}

/* An extension's value has no blanks in it; that of rua may have them around its commas. */
static bool value_valid(const char *value, bool blanks_too)
{
    if (*value == '\0')
        return false;
    for (; *value != '\0'; value++)
        if (!ascii_is_printable(*value) && !(blanks_too && *value == '\t'))
            return false;
        else if (!blanks_too && (*value == ' ' || *value == '='))
            return false;
    return true;
}

static bool take_field(struct record *record, char *field, bool *has_rua, struct arena *arena)
{
    char *value = strchr(field, '=');
    bool is_rua;

    if (value == NULL)
        return false;
    *value++ = '\0';
    is_rua = string_equal(field, "rua");
    string_trim(field);
    value = string_trim(value);
    if (!name_valid(field) || !value_valid(value, is_rua))
        return false;
    if (is_rua && *has_rua)
        return false;
    *has_rua = *has_rua || is_rua;
    if (is_rua)
        add_destinations(record, value, arena);
    return true;
}

bool record_parse(const char *text, struct arena *arena, struct record *record)
{
    char *copy = arena_copy(arena, text), *next = strchr(copy, ';');
    bool has_rua = false;

    *record = (struct record){.count = 0};
    if (!record_is_meant(text))
        return false;
    while (next != NULL) {
        char *field = next + 1;

        next = strchr(field, ';');
        if (next != NULL)
            *next = '\0';
        field = string_trim(field);
        if (*field == '\0' && next == NULL) /* the record may end with a semicolon */
            break;
        if (!take_field(record, field, &has_rua, arena))
            return false;
    }
    return record->count > 0;
}
