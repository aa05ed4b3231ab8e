#include "mail/config/tcp_port.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/base/text.h"
#include "util/net/address.h"

static bool find_known(const char *known, const char *name, uint16_t *port)
{
    char *copy = memory_copy_string(known), *cursor = copy, *group;
    bool found = false;

    while (!found && (group = string_next_word(&cursor, " \t\r\n,")) != NULL) {
        const char *number = strrchr(group, '=');
        char *word;

        if (number == NULL || !net_port_parse(number + 1, port))
            continue;
        while (!found && (word = string_next_word(&group, "=")) != NULL)
            found = string_equal(word, name);
    }
    free(copy);
    return found;
}

bool tcp_port_find(const char *known, const char *text, uint16_t *port)
{
    return find_known(known, text, port) || net_port_parse(text, port);
}
