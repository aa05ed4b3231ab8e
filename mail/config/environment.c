/* import_environment (postconf(5)): which of the caller's variables survive. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/config/config_internal.h"
#include "util/base/memory.h"

/* A word of the list keeps NAME as it is, or says NAME=VALUE. */
static void keep_word(struct map *kept, char *word)
{
    char *equals = strchr(word, '=');
    const char *value;

    if (equals != NULL)
        *equals = '\0';
    value = equals != NULL ? equals + 1 : getenv(word);
    if (value != NULL)
        free(map_set(kept, word, memory_copy_string(value)));
}

void config_clean_environment(const struct config *config)
{
    const char *list = config_get(config, "import_environment");
    char *copy = memory_copy_string(list != NULL ? list : ""), *cursor = copy, *word;
    struct map *kept = map_new();
    const char *name;
    void *value;

    while ((word = string_next_word_braced(&cursor, " \t\r\n,")) != NULL)
        keep_word(kept, word);
    clearenv();
    for (size_t position = 0; map_next(kept, &position, &name, &value);)
        setenv(name, value, 1);
    map_free_with(kept, free);
    free(copy);
}
