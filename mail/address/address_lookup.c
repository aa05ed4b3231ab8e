#include "mail/address/address_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"

/* One search: the address in its parts, and what to say. */
struct search {
    struct table_list *tables;
    const char *local;
    size_t local_length, stem; /* stem: the local part without its extension */
    const char *domain;        /* NULL: none */
    struct text *result;
    struct error *error;
    struct text key;
};

static bool has_no_extension(const char *local, size_t length)
{
    static const char *const names[] = {"postmaster", "mailer-daemon", "double-bounce"};
    char *copy = memory_copy_bytes(local, length);
    bool special = string_starts_ignore_case(copy, "owner-") || string_ends_ignore_case(copy, "-request");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        special = special || string_equal_ignore_case(copy, names[i]);
    free(copy);
    return special;
}

size_t address_extension_start(const char *local, size_t length, const char *delimiters)
{
    /* A delimiter at the very start is part of the name. */
    for (size_t i = 1; i < length; i++)
        if (strchr(delimiters, local[i]) != NULL && local[i] != '\0')
            return has_no_extension(local, length) ? length : i;
    return length;
}

static enum table_result ask(struct search *search, bool whole)
{
    for (size_t i = 0; i < table_list_count(search->tables); i++) {
        enum table_result answer;

        if (table_is_pattern(table_list_at(search->tables, i)) && !whole)
            continue;
        answer = table_list_lookup_at(search->tables, i, text_string(&search->key), search->result, search->error);
        if (answer != TABLE_NOT_FOUND)
            return answer;
    }
    return TABLE_NOT_FOUND;
}

static enum table_result ask_key(struct search *search, bool whole, size_t local_length, const char *separator,
                                 const char *domain)
{
    text_clear(&search->key);
    text_append_bytes(&search->key, search->local, local_length);
    text_append(&search->key, separator);
    text_append(&search->key, domain);
    return ask(search, whole);
}

static enum table_result ask_parents(struct search *search, const char *domain, bool dotted)
{
    enum table_result answer = TABLE_NOT_FOUND;

    while (answer == TABLE_NOT_FOUND && (domain = strchr(domain + 1, '.')) != NULL)
        answer = ask_key(search, false, 0, "", dotted ? domain : domain + 1);
    return answer;
}

static enum table_result ask_domain(struct search *search, int keys)
{
    enum table_result answer = TABLE_NOT_FOUND;

    if (*search->domain == '\0')
        return answer;
    if ((keys & LOOKUP_DOMAIN) != 0)
        answer = ask_key(search, false, 0, "", search->domain);
    if (answer == TABLE_NOT_FOUND && (keys & LOOKUP_PARENTS) != 0)
        answer = ask_parents(search, search->domain, false);
    if (answer == TABLE_NOT_FOUND && (keys & LOOKUP_DOT_PARENTS) != 0)
        answer = ask_parents(search, search->domain, true);
    return answer;
}

/* With the extension, then without it; *extension_matched tells which. */
static enum table_result ask_user(struct search *search, const char *separator, const char *domain, bool whole,
                                  bool *extension_matched)
{
    enum table_result answer = ask_key(search, whole, search->local_length, separator, domain);

    *extension_matched = true;
    if (answer != TABLE_NOT_FOUND || search->stem == search->local_length)
        return answer;
    *extension_matched = false;
    return ask_key(search, false, search->stem, separator, domain);
}

enum table_result address_lookup(struct table_list *tables, const char *address, int keys, const char *delimiters,
                                 struct text *result, struct text *extension, struct error *error)
{
    const char *at = strrchr(address, '@');
    struct search search = {.tables = tables, .local = address, .result = result, .error = error};
    enum table_result answer = TABLE_NOT_FOUND;
    bool with_extension = false;

    if (extension != NULL)
        text_clear(extension);
    if (table_list_empty(tables))
        return TABLE_NOT_FOUND;
    search.local_length = at != NULL ? (size_t)(at - address) : strlen(address);
    search.stem = address_extension_start(address, search.local_length, delimiters);
    search.domain = at != NULL ? at + 1 : "";
    if ((keys & LOOKUP_ADDRESS) != 0)
        answer = ask_user(&search, at != NULL ? "@" : "", search.domain, true, &with_extension);
    if (answer == TABLE_NOT_FOUND && (keys & LOOKUP_BARE_USER) != 0 && at != NULL)
        answer = ask_user(&search, "", "", false, &with_extension);
    if (answer == TABLE_NOT_FOUND)
        answer = ask_domain(&search, keys);
    if (answer == TABLE_NOT_FOUND && (keys & LOOKUP_USER_AT) != 0)
        answer = ask_user(&search, "@", "", false, &with_extension);
    if (answer == TABLE_NOT_FOUND && (keys & LOOKUP_AT_DOMAIN) != 0 && *search.domain != '\0') {
        with_extension = false;
        answer = ask_key(&search, false, 0, "@", search.domain);
    }
    if (extension != NULL && answer == TABLE_FOUND && !with_extension)
        text_append_bytes(extension, address + search.stem, search.local_length - search.stem);
    text_free(&search.key);
    return answer;
}

enum table_result domain_lookup(struct table_list *tables, const char *domain, int keys, struct text *result,
                                struct error *error)
{
    struct search search = {.tables = tables, .local = "", .domain = domain, .result = result, .error = error};
    enum table_result answer = ask_key(&search, true, 0, "", domain);

    if (answer == TABLE_NOT_FOUND)
        answer = ask_domain(&search, keys & ~LOOKUP_DOMAIN);
    text_free(&search.key);
    return answer;
}
