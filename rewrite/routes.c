#include "rewrite/routes.h"

#include <string.h>

#include "mail/address/address_lookup.h"

struct route route_parse(const char *text, struct arena *arena)
{
    const char *colon = strchr(text, ':');
    struct route route = {text, ""};

    if (colon != NULL) {
        route.transport = arena_copy_bytes(arena, text, (size_t)(colon - text));
        route.nexthop = colon + 1;
    }
    return route;
}

static enum table_result keep(enum table_result result, struct text *found, struct arena *arena, const char **value)
{
    if (result == TABLE_FOUND)
        *value = arena_copy(arena, text_string(found));
    text_free(found);
    return result;
}

/* "*" stands for all addresses; it is a key like any other, not something to match a pattern with. */
static enum table_result ask_default(struct table_list *tables, struct text *found, struct error *error)
{
    enum table_result result = TABLE_NOT_FOUND;

    for (size_t i = 0; result == TABLE_NOT_FOUND && i < table_list_count(tables); i++)
        if (!table_is_pattern(table_list_at(tables, i)))
            result = table_lookup(table_list_at(tables, i), "*", found, error);
    return result;
}

enum table_result route_by_address(struct table_list *tables, const char *address, bool parents_match,
                                   const char *delimiters, struct arena *arena, const char **value,
                                   struct error *error)
{
    struct text found = {0};
    int keys = LOOKUP_ADDRESS | LOOKUP_DOMAIN | (parents_match ? LOOKUP_PARENTS : LOOKUP_DOT_PARENTS);
    enum table_result result = address_lookup(tables, address, keys, delimiters, &found, NULL, error);

    if (result == TABLE_NOT_FOUND)
        result = ask_default(tables, &found, error);
    return keep(result, &found, arena, value);
}

enum table_result route_by_sender(struct table_list *tables, const char *sender, const char *delimiters,
                                  struct arena *arena, const char **value, struct error *error)
{
    struct text found = {0};
    int keys = LOOKUP_ADDRESS | LOOKUP_AT_DOMAIN;
    enum table_result result = address_lookup(tables, sender, keys, delimiters, &found, NULL, error);

    return keep(result, &found, arena, value);
}
