#include <stdlib.h>
#include <string.h>

#include "cleanup/cleanup.h"
#include "mail/address/address.h"
#include "util/base/memory.h"

/* Is the domain `parent` itself or below it? */
static bool is_within(const char *domain, const char *parent)
{
    size_t length = strlen(domain), tail = strlen(parent);

    return length >= tail && string_equal_ignore_case(domain + length - tail, parent) &&
           (length == tail || domain[length - tail - 1] == '.');
}

static bool is_exception(const struct cleanup_message *message, const char *address, const char *domain)
{
    char *user = memory_copy_bytes(address, (size_t)(domain - 1 - address));
    struct error error;
    bool found = match_list_string(message->cleanup->masquerade_exceptions, user, &error) == MATCH_YES;

    free(user);
    return found;
}

/* What the domain becomes: the first of masquerade_domains that it lies in; NULL: it stays. */
static const char *find_domain(struct cleanup_message *message, const char *domain)
{
    char *copy = memory_copy_string(message->cleanup->config->masquerade_domains), *cursor = copy, *word;
    const char *found = NULL;

    while (found == NULL && (word = string_next_word(&cursor, ", \t\r\n")) != NULL) {
        bool stays = *word == '!';

        if (is_within(domain, word + (stays ? 1 : 0))) {
            found = stays ? NULL : arena_copy(message->arena, word);
            break;
        }
    }
    free(copy);
    return found;
}

const char *mapping_masquerade(struct cleanup_message *message, const char *address, int class)
{
    const char *domain = address_domain(address), *shorter;

    if (*message->cleanup->config->masquerade_domains == '\0' || domain == NULL ||
        !(message->cleanup->masquerade_classes & class) || is_exception(message, address, domain))
        return address;
    shorter = find_domain(message, domain);
    if (shorter == NULL || string_equal_ignore_case(shorter, domain))
        return address;
    return arena_format(message->arena, "%.*s%s", (int)(domain - address), address, shorter);
}
