#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postmulti.h"
#include "util/base/log.h"
#include "util/base/memory.h"

/* ---- the list of instances ---- */

/* alternate_config_directories without a directory, or with it: set-gid commands serve a deported instance still. */
static char *alternatives(const struct postmulti *postmulti, const char *directory, bool with)
{
    char *copy = memory_copy_string(postmulti->mail.alternate_config_directories), *cursor = copy, *word;
    struct text setting = {0};

    text_append(&setting, "alternate_config_directories =");
    while ((word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        if (!string_equal(word, directory))
            text_append_format(&setting, " %s", word);
    if (with)
        text_append_format(&setting, " %s", directory);
    free(copy);
    return text_take(&setting);
}

static bool is_alternative(const struct postmulti *postmulti, const char *directory)
{
    char *copy = memory_copy_string(postmulti->mail.alternate_config_directories), *cursor = copy, *word;
    bool found = false;

    while (!found && (word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        found = string_equal(word, directory);
    free(copy);
    return found;
}

/* multi_instance_directories: `added` before the instance at `position` (or last), `removed` left out. */
static void set_list(const struct postmulti *postmulti, const char *added, size_t position, const char *removed,
                     bool keep_as_alternative)
{
    const char *subject = added != NULL ? added : removed;
    struct text setting = {0};
    char *settings[3] = {NULL};

    text_append(&setting, "multi_instance_directories =");
    for (size_t i = 1; i < postmulti->instances.count; i++) {
        const char *directory = postmulti->instances.items[i].directory;

        if (added != NULL && i == position)
            text_append_format(&setting, " %s", added);
        if (removed == NULL || !string_equal(directory, removed))
            text_append_format(&setting, " %s", directory);
    }
    if (added != NULL && position >= postmulti->instances.count)
        text_append_format(&setting, " %s", added);
    settings[0] = text_take(&setting);
    if (keep_as_alternative || is_alternative(postmulti, subject))
        settings[1] = alternatives(postmulti, subject, keep_as_alternative);
    instance_set(config_directory(postmulti->config), settings);
    free(settings[0]);
    free(settings[1]);
}

static size_t find_position(const struct postmulti *postmulti)
{
    if (postmulti->all)
        return 1;
    if (postmulti->name == NULL && postmulti->group == NULL)
        return postmulti->instances.count;
    for (size_t i = 1; i < postmulti->instances.count; i++)
        if (instance_selected(postmulti, &postmulti->instances.items[i]))
            return i;
    die("No matching secondary instances");
}

/* ---- what may not be ---- */

static void require_init(const struct postmulti *postmulti)
{
    if (*postmulti->mail.multi_instance_wrapper == '\0')
        die("multi_instance_wrapper is empty, run 'postmulti -e init' first.");
    if (!postmulti->mail.multi_instance_enable)
        die("multi_instance_enable!=yes, run 'postmulti -e init' first.");
}

static void check_new_name(const struct postmulti *postmulti)
{
    const char *name = postmulti->new_name;

    if (name != NULL && !string_equal(name, "-") && !string_starts(name, "postfix-"))
        die("New instance name must start with 'postfix-'");
    if (name != NULL && strpbrk(name, "/ \t\r\n,") != NULL)
        die("New instance name must not contain blanks, commas or slashes");
}

static void refuse_conflict(const struct instance *other, const char *directory, const char *name, const char *value,
                            const char *others)
{
    if (*value != '\0' && string_equal(value, others))
        die("instance %s, %s=%s conflicts with instance %s, %s=%s", directory, name, value, other->directory, name,
            others);
}

static void check_conflicts(const struct postmulti *postmulti, const char *directory, const char *name,
                            const char *queue, const char *data)
{
    for (size_t i = 0; i < postmulti->instances.count; i++) {
        const struct instance *other = &postmulti->instances.items[i];

        if (string_equal(other->directory, directory))
            continue;
        refuse_conflict(other, directory, "multi_instance_name", name, other->name);
        refuse_conflict(other, directory, "queue_directory", queue, other->queue_directory);
        refuse_conflict(other, directory, "data_directory", data, other->data_directory);
    }
}

/* ---- create and import ---- */

/* name=value arguments, those that the action takes. */
static void read_parameters(const struct postmulti *postmulti, struct instance_place *place, bool create)
{
    for (char **word = postmulti->words; *word != NULL; word++) {
        const char *equals = strchr(*word, '=');
        char *name = equals != NULL ? memory_copy_bytes(*word, (size_t)(equals - *word)) : NULL;
        char **target = NULL;

        if (name == NULL)
            die("Invalid parameter setting: %s: missing '='", *word);
        if (string_equal(name, "config_directory"))
            target = &place->config_directory;
        else if (create && string_equal(name, "queue_directory"))
            target = &place->queue_directory;
        else if (create && string_equal(name, "data_directory"))
            target = &place->data_directory;
        if (target == NULL)
            die("Parameter '%s' not valid with action %s", name, postmulti->action);
        if (equals[1] != '/')
            die("Parameter setting '%s' is not an absolute path", name);
        free(*target);
        *target = memory_copy_string(equals + 1);
        free(name);
    }
}

/* The primary's directory with the new name in place of its last part. */
static char *beside(const char *primary, const char *name)
{
    const char *slash = strrchr(primary, '/');

    return memory_format("%.*s/%s", (int)(slash - primary), primary, name);
}

static void complete_place(const struct postmulti *postmulti, struct instance_place *place, bool create)
{
    const char *name = postmulti->new_name;
    bool named = name != NULL && !string_equal(name, "-");

    if (place->config_directory == NULL && named)
        place->config_directory = beside(config_directory(postmulti->config), name);
    if (place->config_directory == NULL)
        die("Missing config_directory parameter value");
    if (!create)
        return;
    if (place->queue_directory == NULL && named)
        place->queue_directory = beside(postmulti->mail.queue_directory, name);
    if (place->data_directory == NULL && named)
        place->data_directory = beside(postmulti->mail.data_directory, name);
    if (place->queue_directory == NULL)
        die("Missing queue_directory parameter value");
    if (place->data_directory == NULL)
        die("Missing data_directory parameter value");
}

static bool exists_already(const struct instance_place *place)
{
    char *main_cf = memory_format("%s/main.cf", place->config_directory);
    char *master_cf = memory_format("%s/master.cf", place->config_directory);
    bool both = access(main_cf, F_OK) == 0 && access(master_cf, F_OK) == 0;

    free(main_cf);
    free(master_cf);
    return both;
}

/* -I and -G; "-" is none. */
static void set_names(const struct postmulti *postmulti, const char *directory)
{
    const char *name = postmulti->new_name, *group = postmulti->new_group;
    char *settings[3] = {NULL};
    size_t count = 0;

    if (group != NULL)
        settings[count++] = memory_format("multi_instance_group = %s", string_equal(group, "-") ? "" : group);
    if (name != NULL)
        settings[count++] = memory_format("multi_instance_name = %s", string_equal(name, "-") ? "" : name);
    if (count > 0)
        instance_set(directory, settings);
    free(settings[0]);
    free(settings[1]);
}

static void check_new_directory(const struct postmulti *postmulti, const char *directory)
{
    for (size_t i = 0; i < postmulti->instances.count; i++)
        if (string_equal(postmulti->instances.items[i].directory, directory))
            die("new config_directory=%s is already in use by instance %s, config_directory=%s", directory, directory,
                directory);
}

static void add_instance(struct postmulti *postmulti, bool create)
{
    struct instance_place place = {0};
    const char *name = postmulti->new_name != NULL && !string_equal(postmulti->new_name, "-") ? postmulti->new_name : "";
    struct instance made;
    size_t position;

    check_new_name(postmulti);
    read_parameters(postmulti, &place, create);
    complete_place(postmulti, &place, create);
    check_new_directory(postmulti, place.config_directory);
    position = find_position(postmulti);
    create = create && !exists_already(&place);
    if (create) {
        check_conflicts(postmulti, place.config_directory, name, place.queue_directory, place.data_directory);
        require_init(postmulti);
        instance_create(postmulti, &place);
    }
    instance_read(&made, place.config_directory);
    if (!made.usable) {
        log_error(NULL, "%s", made.error.text);
        die("Failed to obtain all required %s/main.cf parameters", place.config_directory);
    }
    if (!create) {
        check_conflicts(postmulti, place.config_directory, postmulti->new_name != NULL ? name : made.name,
                        made.queue_directory, made.data_directory);
        require_init(postmulti);
    }
    set_names(postmulti, place.config_directory);
    set_list(postmulti, place.config_directory, position, NULL, false);
}

/* ---- what is done with one instance ---- */

static struct instance *chosen(const struct postmulti *postmulti)
{
    struct instance *instance;

    if (postmulti->name == NULL)
        die("Select an instance via '-i name'");
    instance = instances_find(&postmulti->instances, postmulti->name);
    if (instance == NULL)
        die("No instance named %s", postmulti->name);
    return instance;
}

static struct instance *chosen_usable(const struct postmulti *postmulti)
{
    struct instance *instance = chosen(postmulti);

    if (instance->usable)
        return instance;
    log_error(NULL, "%s", instance->error.text);
    die("Failed to obtain all required %s/main.cf parameters", instance->directory);
}

static void enable(struct postmulti *postmulti)
{
    const struct instance *instance = chosen_usable(postmulti);
    char *settings[] = {(char[]){"multi_instance_enable = yes"}, NULL};

    require_init(postmulti);
    instance_set(instance->directory, settings);
}

static void disable(struct postmulti *postmulti)
{
    const struct instance *instance = chosen_usable(postmulti);
    char *settings[] = {(char[]){"multi_instance_enable = no"}, NULL};

    require_init(postmulti);
    instance_set(instance->directory, settings);
}

static void assign(struct postmulti *postmulti)
{
    const struct instance *instance;
    const char *name = postmulti->new_name;

    if (name == NULL && postmulti->new_group == NULL)
        die("Specify new instance name or group with '-e assign'");
    check_new_name(postmulti);
    instance = chosen_usable(postmulti);
    if (name != NULL && !string_equal(name, "-"))
        check_conflicts(postmulti, instance->directory, name, "", "");
    require_init(postmulti);
    set_names(postmulti, instance->directory);
}

static struct instance *chosen_secondary(const struct postmulti *postmulti)
{
    struct instance *instance = chosen(postmulti);

    if (instance->primary)
        die("Cannot remove the primary instance");
    if (instance->enabled)
        die("Cannot remove enabled instances");
    return instance;
}

/* Also one that is not there any more, or only half of it. */
static void deport(struct postmulti *postmulti)
{
    const struct instance *instance = chosen_secondary(postmulti);

    require_init(postmulti);
    set_list(postmulti, NULL, 0, instance->directory, instance->usable);
}

static void destroy(struct postmulti *postmulti)
{
    const struct instance *instance = chosen_secondary(postmulti);

    chosen_usable(postmulti);
    require_init(postmulti);
    instance_destroy(instance);
    set_list(postmulti, NULL, 0, instance->directory, false);
}

static void init(struct postmulti *postmulti)
{
    char *settings[] = {(char[]){"multi_instance_wrapper = ${command_directory}/postmulti -p --"},
                        (char[]){"multi_instance_enable = yes"}, NULL};

    instance_set(config_directory(postmulti->config), settings);
}

static void create(struct postmulti *postmulti)
{
    add_instance(postmulti, true);
}

static void import(struct postmulti *postmulti)
{
    add_instance(postmulti, false);
}

void postmulti_edit(struct postmulti *postmulti)
{
    static const struct {
        const char *name;
        void (*run)(struct postmulti *postmulti);
    } actions[] = {
        {"create", create}, {"destroy", destroy}, {"import", import}, {"deport", deport},
        {"enable", enable}, {"disable", disable}, {"assign", assign}, {"init", init},
    };
    bool takes_parameters = string_equal(postmulti->action, "create") || string_equal(postmulti->action, "import");

    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (string_equal(actions[i].name, postmulti->action)) {
            if (!takes_parameters && *postmulti->words != NULL)
                die("Parameter overrides not valid with '-e %s'", postmulti->action);
            if (!takes_parameters && !string_equal(postmulti->action, "assign") &&
                (postmulti->new_name != NULL || postmulti->new_group != NULL))
                die("Cannot assign instance name or group with '-e %s'", postmulti->action);
            actions[i].run(postmulti);
            return;
        }
    die("Invalid '-e' edit action '%s'. Specify 'create', 'destroy', 'import', 'deport', 'enable', 'disable', "
        "'assign' or 'init'", postmulti->action);
}
