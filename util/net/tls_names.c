#include "util/net/tls_names.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"

static const struct {
    const char *name;
    int version;
} versions[] = {
    {"SSLv2", 0x0002}, {"SSLv3", 0x0300}, {"TLSv1", 0x0301}, {"TLSv1.1", 0x0302}, {"TLSv1.2", 0x0303}, {"TLSv1.3", 0x0304},
};

enum { VERSIONS = sizeof versions / sizeof *versions, ALL_VERSIONS = 0x3f, SSL2_BIT = 1 << 5 };

/* Which bit of `excluded` a version is; SSLv2 has one so that "!SSLv2" can be said. */
static unsigned bit_of(int version)
{
    return version < 0x0300 ? SSL2_BIT : 1u << (version - 0x0300);
}

static int version_by_name(const char *name)
{
    for (size_t i = 0; i < VERSIONS; i++)
        if (string_equal_ignore_case(versions[i].name, name))
            return versions[i].version;
    return -1;
}

/* A name, or a wire number: 303, 0303, 0x0303. */
static int bound_version(const char *text)
{
    int version = version_by_name(text);
    char *end;
    long number;

    if (version >= 0)
        return version;
    number = strtol(text, &end, 16);
    return end != text && *end == '\0' && number >= 0x0300 && number <= 0x03ff ? (int)number : -1;
}

static bool take_word(const char *word, struct tls_protocols *protocols, unsigned *included, struct error *error)
{
    bool bound = string_starts(word, ">=") || string_starts(word, "<=");
    bool excluding = *word == '!';
    int version = bound ? bound_version(word + 2) : version_by_name(word + excluding);

    if (version < 0)
        return error_set(error, "Invalid TLS protocol \"%s\": a protocol is SSLv3, TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3, with "
                                "!, >= or <= before it", word);
    if (bound && *word == '>')
        protocols->least = version;
    else if (bound)
        protocols->most = version;
    else if (excluding)
        protocols->excluded |= bit_of(version);
    else
        *included |= bit_of(version);
    return true;
}

bool tls_protocols_parse(const char *list, struct tls_protocols *protocols, struct error *error)
{
    char *copy = memory_copy_string(list), *cursor = copy, *word;
    unsigned included = 0;
    bool good = true;

    *protocols = (struct tls_protocols){0};
    while (good && (word = string_next_word(&cursor, " \t\r\n,:")) != NULL)
        good = take_word(word, protocols, &included, error);
    if (included != 0)
        protocols->excluded |= ALL_VERSIONS & ~included;
    free(copy);
    return good;
}

struct tls_protocols tls_protocols_both(struct tls_protocols one, struct tls_protocols other)
{
    struct tls_protocols both = {.least = one.least > other.least ? one.least : other.least,
                                 .most = one.most,
                                 .excluded = one.excluded | other.excluded};

    if (both.most == 0 || (other.most != 0 && other.most < both.most))
        both.most = other.most;
    return both;
}

bool tls_protocols_allow(struct tls_protocols protocols, int version)
{
    return version >= protocols.least && (protocols.most == 0 || version <= protocols.most) &&
           (protocols.excluded & bit_of(version)) == 0;
}

/* ---- ciphers ---- */

static const char *grade_list(const struct tls_cipher_grades *grades, const char *grade)
{
    const struct {
        const char *name, *list;
    } names[] = {
        {"high", grades->high}, {"medium", grades->medium}, {"low", grades->low}, {"export", grades->export},
        {"null", grades->null},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (string_equal_ignore_case(names[i].name, grade))
            return names[i].list;
    return NULL;
}

bool tls_cipher_list(const struct tls_cipher_grades *grades, const char *grade, const char *const *exclusions,
                     struct text *list, struct error *error)
{
    const char *base = grade_list(grades, grade);

    if (base == NULL)
        return error_set(error, "invalid TLS cipher grade: \"%s\": it is high, medium, low, export or null", grade);
    text_clear(list);
    text_append(list, base);
    for (; *exclusions != NULL; exclusions++) {
        char *copy = memory_copy_string(*exclusions), *cursor = copy, *word;

        while ((word = string_next_word(&cursor, " \t\r\n,:")) != NULL) {
            if (strpbrk(word, "+-!@") == word)
                continue; /* a list's own signs mean nothing here */
            text_append_format(list, ":!%s", word);
        }
        free(copy);
    }
    return true;
}
