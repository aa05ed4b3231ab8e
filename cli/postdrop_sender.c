#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postdrop.h"
#include "mail/address/address.h"
#include "util/base/memory.h"
#include "util/table/table.h"

/* The address without its extension: user+x@domain is user@domain. */
static char *without_extension(const char *sender, const char *delimiters)
{
    const char *domain = address_domain(sender);
    size_t local = domain != NULL ? (size_t)(domain - 1 - sender) : strlen(sender), plain = 1;

    while (plain < local && (*delimiters == '\0' || strchr(delimiters, sender[plain]) == NULL))
        plain++;
    return memory_format("%.*s%s", (int)(plain < local ? plain : local), sender, sender + local);
}

static bool pattern_matches(const char *pattern, const char *sender, const char *plain)
{
    const char *domain = address_domain(sender);

    if (string_equal(pattern, "*"))
        return true;
    if (*pattern == '@')
        return domain != NULL && string_equal_ignore_case(pattern, domain - 1);
    return string_equal_ignore_case(pattern, plain);
}

bool drop_sender_allowed(const struct mail_config *mail, const char *sender, struct error *error)
{
    const struct passwd *user = getpwuid(getuid());
    char *name = user != NULL ? memory_copy_string(user->pw_name) : memory_format("uid:%ld", (long)getuid());
    const char *key = *sender != '\0' ? sender : mail->empty_address_local_login_sender_maps_lookup_key;
    char *plain = *sender != '\0' ? without_extension(sender, mail->recipient_delimiter) : memory_copy_string(key);
    struct table_list *tables = table_list_open(mail->local_login_sender_maps, error);
    struct text patterns = {0};
    bool allowed = false;

    if (tables != NULL && table_list_lookup(tables, name, &patterns, error) == TABLE_FOUND) {
        char *copy = memory_copy_string(text_string(&patterns)), *cursor = copy, *pattern;

        while (!allowed && (pattern = string_next_word(&cursor, ", \t\r\n")) != NULL)
            allowed = pattern_matches(pattern, key, plain);
        free(copy);
    }
    table_list_close(tables);
    text_free(&patterns);
    free(plain);
    free(name);
    return allowed || error_set(error, "not authorized to use sender='%.200s'", sender);
}
