/* pickup - takes the messages of the maildrop queue to cleanup (pickup(8)). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/submit/submission.h"
#include "pickup/pickup.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/task.h"

enum { MESSAGES_AT_ONCE = 20 };

static bool detects_utf8(const struct mail_config *mail)
{
    char *copy = memory_copy_string(mail->smtputf8_autodetect_classes), *cursor = copy, *word;
    bool found = false;

    while (mail->smtputf8_enable && !found && (word = string_next_word(&cursor, ", \t\r\n")) != NULL)
        found = string_equal_ignore_case(word, "sendmail") || string_equal_ignore_case(word, "all");
    free(copy);
    return found;
}

static bool pickup_start(struct service_environment *environment, struct error *error)
{
    const char *options = config_get(environment->config, "receive_override_options");
    struct pickup *pickup = memory_new(sizeof *pickup);

    (void)error;
    pickup->environment = environment;
    pickup->layout = environment->layout;
    pickup->cleanup_flags = CLEANUP_FILTER | CLEANUP_BCC | CLEANUP_MAP | CLEANUP_BOUNCE;
    if (detects_utf8(environment->mail))
        pickup->cleanup_flags |= CLEANUP_UTF8;
    if (options != NULL && strstr(options, "no_header_body_checks") != NULL)
        pickup->cleanup_flags &= ~CLEANUP_FILTER;
    if (options != NULL && strstr(options, "no_address_mappings") != NULL)
        pickup->cleanup_flags &= ~(CLEANUP_BCC | CLEANUP_MAP);
    environment->state = pickup;
    return true;
}

static bool pickup_ready(struct service_environment *environment, struct error *error)
{
    struct pickup *pickup = environment->state;

    (void)error;
    pickup->cleanup = submission_pool_new();
    task_semaphore_init(&pickup->places, MESSAGES_AT_ONCE);
    task_condition_init(&pickup->all_done);
    return true;
}

/* ---- one file ---- */

static void put_aside(struct pickup *pickup, const char *id, const struct error *error)
{
    log_warning(NULL, "%s", error->text);
    if (queue_move(pickup->layout, id, QUEUE_MAILDROP, QUEUE_CORRUPT) < 0)
        log_warning(NULL, "%s/%s: move to corrupt: %s", QUEUE_MAILDROP, id, strerror(errno));
    else
        log_warning(NULL, "%s/%s: saved as %s/%s", QUEUE_MAILDROP, id, QUEUE_CORRUPT, id);
}

/* A file and the task that it is taken in. */
struct errand {
    struct pickup *pickup;
    char id[QUEUE_ID_SIZE];
};

/* The file goes when cleanup has the message, and not before: better twice than never. */
static void take(struct pickup *pickup, const char *id)
{
    const char *filter = config_get(pickup->environment->config, "content_filter");
    struct dropped dropped = {.arena = arena_new()};
    struct error error;

    switch (dropped_read(pickup, id, &dropped, &error)) {
    case DROPPED_NOT_YET:
        if (*error.text != '\0')
            log_warning(NULL, "%s", error.text);
        break;
    case DROPPED_DAMAGED: put_aside(pickup, id, &error); break;
    case DROPPED_GOOD:
        dropped.open.filter = filter != NULL ? filter : "";
        if (!dropped_submit(pickup, &dropped, &error))
            log_warning(NULL, "%s", error.text);
        else if (unlink(dropped.path) < 0)
            log_warning(NULL, "remove %s: %s", dropped.path, strerror(errno));
        close(dropped.fd);
        break;
    }
    free(dropped.recipients);
    arena_free(dropped.arena);
}

/* ---- the queue ---- */

static void run_errand(void *argument)
{
    struct errand *errand = argument;
    struct pickup *pickup = errand->pickup;

    take(pickup, errand->id);
    free(errand);
    task_semaphore_give(&pickup->places);
    if (--pickup->under_way == 0)
        task_condition_wake_all(&pickup->all_done);
}

/* Their files become durable side by side. */
static void scan(struct pickup *pickup)
{
    struct queue_scan *queue = queue_scan_open(QUEUE_MAILDROP);
    const char *id;

    if (queue == NULL)
        log_warning(NULL, "open %s: %s", QUEUE_MAILDROP, strerror(errno));
    while (queue != NULL && (id = queue_scan_next(queue)) != NULL) {
        struct errand *errand = memory_new(sizeof *errand);

        errand->pickup = pickup;
        snprintf(errand->id, sizeof errand->id, "%s", id);
        if (task_semaphore_take(&pickup->places, deadline_never()) != WAIT_READY) {
            free(errand);
            break;
        }
        pickup->under_way++;
        task_start(run_errand, errand);
    }
    queue_scan_close(queue);
    while (pickup->under_way > 0 && task_condition_wait(&pickup->all_done, deadline_never()) == WAIT_READY)
        continue;
}

static void run_scans(void *argument)
{
    struct pickup *pickup = argument;

    while (pickup->again) {
        pickup->again = false;
        scan(pickup);
    }
    pickup->scanning = false;
    service_no_longer_busy(pickup->environment);
}

static void pickup_trigger(struct service_environment *environment, const char *requests, size_t count)
{
    struct pickup *pickup = environment->state;

    (void)requests;
    (void)count;
    pickup->again = true;
    if (pickup->scanning)
        return;
    pickup->scanning = true;
    task_start(run_scans, pickup);
}

static bool pickup_busy(struct service_environment *environment)
{
    const struct pickup *pickup = environment->state;

    return pickup->scanning;
}

static const struct service pickup_service = {
    .name = "pickup",
    .start = pickup_start,
    .ready = pickup_ready,
    .trigger = pickup_trigger,
    .busy = pickup_busy,
};

int main(int argc, char **argv)
{
    return service_main(&pickup_service, argc, argv);
}
