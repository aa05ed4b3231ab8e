#include "qmgr/linger.h"

#include <errno.h>
#include <string.h>

enum { MOVED_A_TURN = 50 };
static const duration longest = 1 * SECONDS, pause = SECONDS / 4;

static void move_to_active(struct message *message)
{
    linger_end(message);
    if (queue_move(message->manager->layout, message->id, QUEUE_INCOMING, QUEUE_ACTIVE) == 0)
        message->queue = QUEUE_ACTIVE;
    else if (errno != ENOENT) /* somebody took it away: finishing finds out */
        log_warning(&message->log, "cannot move to %s: %s", QUEUE_ACTIVE, strerror(errno));
}

/* The oldest is first. */
static struct message *next_due(const struct manager *manager)
{
    struct link *first = list_first(&manager->lingering);
    struct message *message = first != NULL ? list_entry(first, struct message, lingering) : NULL;

    return message != NULL && clock_wall() - message->active_time >= longest ? message : NULL;
}

static void run_linger(void *argument)
{
    struct manager *manager = argument;
    enum wait_result result = WAIT_READY;

    while (result == WAIT_READY) {
        struct message *message;

        for (size_t moved = 1; (message = next_due(manager)) != NULL; moved++) {
            move_to_active(message);
            if (moved % MOVED_A_TURN == 0)
                task_yield();
        }
        result = list_empty(&manager->lingering) ? task_condition_wait(&manager->lingers, deadline_never())
                                                 : task_sleep(pause);
    }
}

void linger_start(struct manager *manager)
{
    list_init(&manager->lingering);
    task_condition_init(&manager->lingers);
    task_start(run_linger, manager);
}

void linger_add(struct message *message)
{
    struct manager *manager = message->manager;

    list_append(&manager->lingering, &message->lingering);
    if (manager->lingering.count == 1)
        task_condition_wake_one(&manager->lingers);
}

void linger_end(struct message *message)
{
    if (message->lingering.next != NULL)
        list_remove(&message->manager->lingering, &message->lingering);
}
