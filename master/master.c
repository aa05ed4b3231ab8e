#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/known.h"
#include "master/notify.h"
#include "master/supervise.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/base/text.h"

#define PATIENCE (5 * SECONDS) /* between TERM and KILL */

/* ---- what a configuration comes to ---- */

/* One line of master.cf whose program exists, with its sockets open. */
struct planned {
    const struct master_service *entry;
    char *path;
    struct listener_list listeners;
};

struct plan {
    struct planned *items;
    size_t count;
    struct map *missing; /* program -> struct text of the services that would need it */
};

static void free_text(void *value)
{
    text_free(value);
    free(value);
}

static void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->items[i].path);
        free(plan->items[i].listeners.items);
    }
    free(plan->items);
    map_free_with(plan->missing, free_text);
}

static void note_missing(struct plan *plan, const struct master_service *entry)
{
    struct text *services;

    if (known_as_needless(entry->arguments[0]))
        return;
    services = map_get(plan->missing, entry->arguments[0]);
    if (services == NULL) {
        services = memory_new(sizeof *services);
        map_set(plan->missing, entry->arguments[0], services);
    }
    text_append_format(services, "%s%s/%s", services->length > 0 ? ", " : "", entry->name,
                       service_type_name(entry->type));
}

static void log_missing(const struct plan *plan, const struct settings *settings)
{
    size_t position = 0;
    const char *program;
    void *services;

    while (map_next(plan->missing, &position, &program, &services))
        log_warning(NULL, "%s/%s: no such program: not started: %s", settings->mail.daemon_directory, program,
                    text_string(services));
}

static void log_duplicates(const struct master_cf *services)
{
    for (size_t i = 0; i < services->count; i++)
        if (services->services[i].replaced)
            log_warning(NULL, "duplicate master.cf entry for service \"%s\" (line %d) -- using the last entry",
                        services->services[i].name, services->services[i].line);
}

static bool plan_service(struct master *master, const struct settings *settings, const struct master_service *entry,
                         struct plan *plan, struct error *error)
{
    char *path = memory_format("%s/%s", settings->mail.daemon_directory, entry->arguments[0]);
    struct planned *planned;

    if (access(path, X_OK) != 0) {
        note_missing(plan, entry);
        free(path);
        return true;
    }
    plan->items = memory_resize(plan->items, (plan->count + 1) * sizeof *plan->items);
    planned = &plan->items[plan->count++];
    *planned = (struct planned){.entry = entry, .path = path};
    return listener_table_open(&master->listeners, settings, entry, &planned->listeners, error);
}

/* The first pattern that matches decides. */
static bool is_disabled(const struct settings *settings, const struct master_service *entry)
{
    const char *type = service_type_name(entry->type);
    char *copy = memory_copy_string(settings->master.master_service_disable), *cursor = copy, *word;
    char *key = memory_format("%s/%s", entry->name, type);
    bool matched = false, disabled = false;

    while (!matched && (word = string_next_word(&cursor, ", \t\r\n")) != NULL) {
        const char *pattern = word + (*word == '!' ? 1 : 0);

        matched = string_equal(pattern, type) || string_equal(pattern, key);
        disabled = matched && *word != '!';
    }
    free(key);
    free(copy);
    return disabled;
}

static bool plan_all(struct master *master, const struct settings *settings, struct plan *plan, struct error *error)
{
    const struct master_cf *services = settings->services;
    bool ok = true;

    *plan = (struct plan){.missing = map_new()};
    listener_table_begin(&master->listeners);
    for (size_t i = 0; ok && i < services->count; i++)
        ok = services->services[i].replaced || is_disabled(settings, &services->services[i]) ||
             plan_service(master, settings, &services->services[i], plan, error);
    return ok;
}

/* ---- bringing it into force ---- */

static struct supervised *find_service(struct master *master, const char *key)
{
    list_each(link, next, &master->services) {
        struct supervised *service = list_entry(link, struct supervised, link);

        if (string_equal(service->key, key))
            return service;
    }
    return NULL;
}

static void put_in_force(struct master *master, const struct settings *settings, struct planned *planned)
{
    char *key = memory_format("%s/%s", planned->entry->name, service_type_name(planned->entry->type));
    struct supervised *service = find_service(master, key);

    if (service == NULL) {
        service = supervised_new(key);
        list_append(&master->services, &service->link);
    }
    supervised_configure(service, settings, planned->entry, planned->path, planned->listeners);
    planned->listeners = (struct listener_list){0};
    free(key);
}

static void drop_services_that_are_over(struct master *master)
{
    list_each(link, next, &master->services) {
        struct supervised *service = list_entry(link, struct supervised, link);

        if (supervised_is_over(service)) {
            list_remove(&master->services, &service->link);
            supervised_free(service);
        }
    }
}

static void retire_others(struct master *master, const struct settings *settings)
{
    list_each(link, next, &master->services) {
        struct supervised *service = list_entry(link, struct supervised, link);

        if (service->settings != settings)
            supervised_retire(service);
    }
    drop_services_that_are_over(master);
}

bool master_apply(struct master *master, struct settings *settings, struct error *error)
{
    struct plan plan;
    bool ok = plan_all(master, settings, &plan, error);

    if (!ok) {
        listener_table_abandon(&master->listeners);
        plan_free(&plan);
        settings_free(settings);
        return false;
    }
    for (size_t i = 0; i < plan.count; i++)
        put_in_force(master, settings, &plan.items[i]);
    retire_others(master, settings);
    listener_table_keep(&master->listeners);
    settings_free(master->settings);
    master->settings = settings;
    mail_config_open_master_log(&settings->mail);
    log_missing(&plan, settings);
    log_duplicates(settings->services);
    plan_free(&plan);
    return true;
}

void master_activate(struct master *master)
{
    list_each(link, next, &master->services) {
        struct supervised *service = list_entry(link, struct supervised, link);

        if (service->entry != NULL)
            supervised_activate(service);
    }
}

void master_reload(struct master *master)
{
    struct error error;
    struct settings *settings;

    if (master->stopping)
        return;
    log_info(NULL, "reload -- version %s, configuration %s", master->settings->mail.mail_version, master->directory);
    settings = settings_load(master->directory, &error);
    if (settings != NULL && !string_equal(settings->mail.queue_directory, master->settings->mail.queue_directory)) {
        settings_free(settings);
        settings = NULL;
        error_set(&error, "queue_directory has changed: stop and start to move the queue");
    }
    if (settings != NULL && master_apply(master, settings, &error))
        master_activate(master);
    else
        log_error(NULL, "reload refused, the configuration of before stays in force: %s", error.text);
}

/* ---- the end of processes ---- */

/* The log's service goes last, so that it hears how the others end. */
static bool is_log(const struct supervised *service)
{
    return string_ends(service->key, "/unix-dgram");
}

static bool any_process(const struct master *master, bool besides_log)
{
    list_each(link, next, &master->services) {
        const struct supervised *service = list_entry(link, struct supervised, link);

        if (!list_empty(&service->processes) && !(besides_log && is_log(service)))
            return true;
    }
    return false;
}

static void process_ended(struct master *master, pid_t pid, int status)
{
    list_each(link, next, &master->services) {
        struct process *process = supervised_find(list_entry(link, struct supervised, link), pid);

        if (process != NULL) {
            supervised_process_ended(process, status);
            return;
        }
    }
}

static void retire(struct master *master, bool logs)
{
    list_each(link, next, &master->services) {
        struct supervised *service = list_entry(link, struct supervised, link);

        if (is_log(service) == logs && service->entry != NULL)
            supervised_retire(service);
    }
}

static void go_on_stopping(struct master *master)
{
    if (!any_process(master, true))
        retire(master, true);
    if (!any_process(master, false))
        loop_stop();
}

void master_reap(struct master *master)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        process_ended(master, pid, status);
    drop_services_that_are_over(master);
    if (master->stopping)
        go_on_stopping(master);
}

/* Each process leads a process group, its own children included. */
static void signal_all(struct master *master, int number, bool besides_log)
{
    list_each(link, next, &master->services) {
        struct supervised *service = list_entry(link, struct supervised, link);

        list_each(inner, inner_next, &service->processes)
            if (!(besides_log && is_log(service)))
                kill(-list_entry(inner, struct process, link)->pid, number);
    }
}

static void patience_over(void *context)
{
    struct master *master = context;

    signal_all(master, SIGKILL, false);
    loop_timer_set(master->patience, PATIENCE);
}

void master_stop(struct master *master)
{
    if (master->stopping)
        return;
    master->stopping = true;
    notify_manager(master->manager, "STOPPING=1");
    retire(master, false);
    signal_all(master, SIGTERM, true);
    master->patience = loop_timer_new(patience_over, master);
    loop_timer_set(master->patience, PATIENCE);
    master_reap(master);
}
