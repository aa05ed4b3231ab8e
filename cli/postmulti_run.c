#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/postmulti.h"
#include "util/base/json.h"
#include "util/base/log.h"
#include "util/base/memory.h"

/* The instances that were asked for, one after another. Those whose main.cf cannot be read are an error each, and
 * no reason to leave the others alone. */
typedef int each_fn(const struct postmulti *postmulti, const struct instance *instance);

static int for_each(const struct postmulti *postmulti, bool reverse, each_fn *run)
{
    const struct instances *instances = &postmulti->instances;
    int worst = 0;

    for (size_t i = 0; i < instances->count; i++) {
        const struct instance *instance = &instances->items[reverse ? instances->count - 1 - i : i];
        int status;

        if (!instance_selected(postmulti, instance))
            continue;
        if (!instance->usable) {
            log_error(NULL, "%s", instance->error.text);
            log_error(NULL, "Failed to obtain all required %s/main.cf parameters", instance->directory);
        }
        status = instance->usable ? run(postmulti, instance) : 1;
        worst = status > worst ? status : worst;
    }
    return worst;
}

/* ---- -l ---- */

static const char *or_dash(const char *text)
{
    return *text != '\0' ? text : "-";
}

static int list_json(const struct instance *instance)
{
    const char *const members[][2] = {{"name", or_dash(instance->name)},
                                      {"group", or_dash(instance->group)},
                                      {"enable", instance->enabled ? "y" : "n"},
                                      {"config_directory", instance->directory}};
    struct text line = {0};

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        text_append(&line, i == 0 ? "{" : ", ");
        json_append_member(&line, members[i][0], members[i][1]);
    }
    printf("%s}\n", text_string(&line));
    text_free(&line);
    return 0;
}

static int list_one(const struct postmulti *postmulti, const struct instance *instance)
{
    if (postmulti->json)
        return list_json(instance);
    printf("%-15s %-15s %-9s %s\n", or_dash(instance->name), or_dash(instance->group), instance->enabled ? "y" : "n",
           instance->directory);
    return 0;
}

int postmulti_list(const struct postmulti *postmulti)
{
    return for_each(postmulti, postmulti->reverse, list_one);
}

/* ---- running programs ---- */

/* With an environment: MAIL_CONFIG at least. */
static int run_program(const struct instance *instance, char *const *arguments, void (*prepare)(const struct instance *))
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0) {
        prepare(instance);
        execvp(arguments[0], arguments);
        die("execvp %s: %s", arguments[0], strerror(errno));
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void prepare_postfix(const struct instance *instance)
{
    (void)instance;
    unsetenv("MAIL_CONFIG"); /* -c says it */
}

static int run_postfix(const struct postmulti *postmulti, const struct instance *instance, char **words)
{
    size_t count = 0, at = 0;
    char **arguments;
    int status;

    while (words[count] != NULL)
        count++;
    arguments = memory_new((count + 4 + (size_t)postmulti->verbosity) * sizeof *arguments);
    arguments[at++] = memory_format("%s/postfix", postmulti->mail.command_directory);
    arguments[at++] = (char[]){"-c"};
    arguments[at++] = instance->directory;
    memcpy(arguments + at, words, count * sizeof *arguments);
    status = run_program(instance, arguments, prepare_postfix);
    free(arguments[0]);
    free(arguments);
    return status;
}

/* ---- -p ---- */

static bool is_among(const char *list, const char *word)
{
    char *copy = memory_copy_string(list), *cursor = copy, *item;
    bool found = false;

    while (!found && (item = string_next_word(&cursor, ", \t\r\n")) != NULL)
        found = string_equal(item, word);
    free(copy);
    return found;
}

static int postfix_one(const struct postmulti *postmulti, const struct instance *instance)
{
    const struct mail_config *mail = &postmulti->mail;
    const char *word = postmulti->words[0];
    char *check[] = {(char[]){"check"}, NULL};

    if (!instance->enabled && is_among(mail->postmulti_start_commands, word))
        return run_postfix(postmulti, instance, check);
    if (!instance->enabled &&
        (is_among(mail->postmulti_stop_commands, word) || is_among(mail->postmulti_control_commands, word)))
        return 0;
    return run_postfix(postmulti, instance, postmulti->words);
}

int postmulti_run_postfix(const struct postmulti *postmulti)
{
    return for_each(postmulti, is_among(postmulti->mail.postmulti_stop_commands, postmulti->words[0]), postfix_one);
}

/* ---- -x ---- */

static void prepare_command(const struct instance *instance)
{
    struct config *config = config_load(instance->directory, &(struct error){.text = ""});
    const char *daemons = config != NULL ? config_get(config, "daemon_directory") : NULL;
    const char *commands = config != NULL ? config_get(config, "command_directory") : NULL;

    setenv("MAIL_CONFIG", instance->directory, 1);
    setenv("daemon_directory", daemons != NULL ? daemons : "", 1);
    setenv("command_directory", commands != NULL ? commands : "", 1);
    setenv("config_directory", instance->directory, 1);
    setenv("queue_directory", instance->queue_directory, 1);
    setenv("data_directory", instance->data_directory, 1);
    setenv("multi_instance_name", instance->name, 1);
    setenv("multi_instance_group", instance->group, 1);
    setenv("multi_instance_enable", instance->enabled ? "yes" : "no", 1);
    if (commands != NULL && getenv("PATH") != NULL)
        setenv("PATH", memory_format("%s:%s", commands, getenv("PATH")), 1);
}

static int command_one(const struct postmulti *postmulti, const struct instance *instance)
{
    return run_program(instance, postmulti->words, prepare_command);
}

int postmulti_run_command(const struct postmulti *postmulti)
{
    return for_each(postmulti, postmulti->reverse, command_one);
}
