#include "cli/queue_suspend.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/queue_manager.h"
#include "cli/queue_print.h"
#include "util/base/log.h"
#include "util/base/text.h"

enum { PATIENCE_SECONDS = 2 }; /* a list does not wait longer for a queue manager that does not answer */

static void change(const struct queue_command *command, const struct qmgr_suspend *question)
{
    struct qmgr_suspensions answer;
    struct arena *arena = arena_new();
    struct error error;

    if (*question->domain == '\0')
        die("\"\" is not a domain");
    if (!queue_manager_ask(command, command->mail.ipc_timeout, &ipc_qmgr_suspend, question, &ipc_qmgr_suspensions,
                           &answer, arena, &error)) {
        log_warning(NULL, "%s", error.text);
        die("Cannot %s %s - mail system is down", question->resume ? "resume" : "suspend", question->domain);
    }
    if (*answer.error != '\0')
        die("%s", answer.error);
    arena_free(arena);
}

void queue_suspend(const struct queue_command *command, const char *domain, duration length)
{
    struct qmgr_suspend question = {.domain = domain};

    if (length > 0)
        question.until = (clock_wall() + length + SECONDS - 1) / SECONDS;
    change(command, &question);
}

void queue_resume(const struct queue_command *command, const char *domain)
{
    struct qmgr_suspend question = {.domain = domain, .resume = 1};

    change(command, &question);
}

struct map *queue_suspended(const struct queue_command *command, struct arena *arena, bool required)
{
    const struct qmgr_suspend question = {.domain = ""};
    struct qmgr_suspensions answer;
    struct map *suspended = map_new();
    struct error error;

    if (!queue_manager_ask(command, required ? command->mail.ipc_timeout : PATIENCE_SECONDS * SECONDS,
                           &ipc_qmgr_suspend, &question, &ipc_qmgr_suspensions, &answer, arena, &error)) {
        if (required)
            die("Cannot see what is suspended - mail system is down");
        return suspended;
    }
    for (size_t i = 0; i < answer.domains.count && i < answer.until.count; i++) {
        struct queue_suspension *suspension = arena_alloc(arena, sizeof *suspension);

        suspension->until = strtoll(answer.until.items[i], NULL, 10);
        map_set(suspended, answer.domains.items[i], suspension);
    }
    return suspended;
}

void queue_suspend_print(const struct map *suspended, const char *prefix)
{
    const char **names = map_sorted_keys(suspended);
    char stamp[QUEUE_PRINT_TIME_SIZE];

    for (size_t i = 0; i < map_count(suspended); i++) {
        const struct queue_suspension *suspension = map_get(suspended, names[i]);

        if (suspension->until > 0)
            printf("%s%s until %s\n", prefix, names[i], queue_print_time(suspension->until, stamp));
        else
            printf("%s%s until resumed\n", prefix, names[i]);
    }
    free(names);
}

void queue_suspend_print_json(const struct map *suspended)
{
    const char **names = map_sorted_keys(suspended);

    for (size_t i = 0; i < map_count(suspended); i++) {
        const struct queue_suspension *suspension = map_get(suspended, names[i]);

        putchar('{');
        queue_print_member("domain", names[i]);
        if (suspension->until > 0)
            printf(", \"until\": %" PRId64, suspension->until);
        puts("}");
    }
    free(names);
}
