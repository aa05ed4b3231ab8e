#include "util/net/tls_match.h"

#include <string.h>

#include "util/base/text.h"

/* "*.example.com" for "a.example.com"; what is behind the star has two labels at least. */
static bool wildcard_matches(const char *domain, const char *wanted, bool many_labels)
{
    size_t behind = strlen(domain), length = strlen(wanted);

    if (strchr(domain + 1, '.') == NULL || length <= behind)
        return false;
    if (!string_equal_ignore_case(wanted + length - behind, domain))
        return false;
    return many_labels || memchr(wanted, '.', length - behind) == NULL;
}

bool tls_match_name(const char *presented, const char *wanted, bool many_labels)
{
    if (*presented == '\0' || *wanted == '\0')
        return false;
    if (*wanted == '.')
        return strlen(presented) > strlen(wanted) && string_ends_ignore_case(presented, wanted);
    if (string_starts(presented, "*."))
        return wildcard_matches(presented + 1, wanted, many_labels);
    return string_equal_ignore_case(presented, wanted);
}

bool tls_tlsa_usable(const struct tls_tlsa *record)
{
    static const size_t lengths[] = {0, 32, 64}; /* by matching type; 0: any, the whole thing */

    return (record->usage == 2 || record->usage == 3) && record->selector <= 1 &&
           record->matching_type < sizeof lengths / sizeof *lengths && record->length > 0 &&
           (lengths[record->matching_type] == 0 || record->length == lengths[record->matching_type]);
}

const char *tls_tlsa_print(const struct tls_tlsa *record, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *hex = arena_alloc(arena, record->length * 2 + 1);

    for (size_t i = 0; i < record->length; i++) {
        hex[2 * i] = digits[record->data[i] >> 4];
        hex[2 * i + 1] = digits[record->data[i] & 15];
    }
    return arena_format(arena, "%d %d %d %s", record->usage, record->selector, record->matching_type, hex);
}
