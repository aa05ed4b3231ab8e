#include <stdlib.h>
#include <string.h>

#include "cli/postmulti.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static char *value_of(const struct config *config, const char *name)
{
    const char *value = config_get(config, name);

    return memory_copy_string(value != NULL ? value : "");
}

void instance_read(struct instance *instance, const char *directory)
{
    struct config *config;

    *instance = (struct instance){.directory = memory_copy_string(directory)};
    config = config_load(directory, &instance->error);
    if (config == NULL) {
        instance->name = memory_copy_string("");
        instance->group = memory_copy_string("");
        instance->queue_directory = memory_copy_string("");
        instance->data_directory = memory_copy_string("");
        return;
    }
    instance->usable = true;
    instance->name = value_of(config, "multi_instance_name");
    instance->group = value_of(config, "multi_instance_group");
    instance->queue_directory = value_of(config, "queue_directory");
    instance->data_directory = value_of(config, "data_directory");
    instance->enabled = config_get_boolean(config, "multi_instance_enable", false);
    config_free(config);
}

static struct instance *add(struct instances *instances)
{
    instances->items = memory_resize(instances->items, (instances->count + 1) * sizeof *instances->items);
    return &instances->items[instances->count++];
}

/* A single instance is as good as enabled. */
void instances_load(struct postmulti *postmulti)
{
    char *copy = memory_copy_string(postmulti->mail.multi_instance_directories), *cursor = copy, *word;
    struct instance *primary = add(&postmulti->instances);

    instance_read(primary, config_directory(postmulti->config));
    primary->primary = true;
    while ((word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        instance_read(add(&postmulti->instances), word);
    free(copy);
    if (postmulti->instances.count == 1 && *postmulti->mail.multi_instance_wrapper == '\0')
        postmulti->instances.items[0].enabled = true;
}

static bool is_called(const struct instance *instance, const char *name)
{
    return (string_equal(name, "-") && instance->primary) || string_equal(name, instance->directory) ||
           (*name != '\0' && string_equal(name, instance->name));
}

struct instance *instances_find(const struct instances *instances, const char *name)
{
    for (size_t i = 0; i < instances->count; i++)
        if (is_called(&instances->items[i], name))
            return &instances->items[i];
    return NULL;
}

bool instance_selected(const struct postmulti *postmulti, const struct instance *instance)
{
    return (postmulti->name == NULL || is_called(instance, postmulti->name)) &&
           (postmulti->group == NULL || string_equal(instance->group, postmulti->group));
}
