/* Files that are kept for messages to come, and named to who will bring them: mail/ipc/ipc.def, cleanup_open. */
#include <unistd.h>

#include "cleanup/cleanup.h"
#include "util/base/memory.h"
#include "util/task/loop.h"

enum { KEPT = 128 };
static const duration longest = 2 * IPC_TICKET_LIFETIME;

struct tickets {
    struct spare spares[KEPT]; /* the oldest first */
    int64_t since[KEPT];
    size_t count;
    struct loop_timer *expiry;
};

static struct spare take_out(struct tickets *tickets, size_t index)
{
    struct spare spare = tickets->spares[index];

    tickets->count--;
    for (size_t i = index; i < tickets->count; i++) {
        tickets->spares[i] = tickets->spares[i + 1];
        tickets->since[i] = tickets->since[i + 1];
    }
    return spare;
}

static void drop_older(struct tickets *tickets, duration age)
{
    while (tickets->count > 0 && clock_monotonic() - tickets->since[0] >= age) {
        struct spare spare = take_out(tickets, 0);

        unlink(spare.path);
        close(spare.fd);
    }
}

/* Whoever asked for them has gone, or has no mail. */
static void expire(void *context)
{
    struct tickets *tickets = context;

    drop_older(tickets, longest);
    if (tickets->count > 0)
        loop_timer_set(tickets->expiry, longest);
}

struct tickets *tickets_new(void)
{
    struct tickets *tickets = memory_new(sizeof *tickets);

    tickets->expiry = loop_timer_new(expire, tickets);
    return tickets;
}

void tickets_drop(struct tickets *tickets)
{
    drop_older(tickets, 0);
    loop_timer_clear(tickets->expiry);
}

int64_t tickets_issue(struct cleanup *cleanup)
{
    struct tickets *tickets = cleanup->tickets;

    if (tickets->count == KEPT || !spares_take(cleanup, &tickets->spares[tickets->count]))
        return 0;
    if (tickets->count == 0)
        loop_timer_set(tickets->expiry, longest);
    tickets->since[tickets->count] = clock_monotonic();
    return (int64_t)tickets->spares[tickets->count++].inode;
}

bool tickets_redeem(struct cleanup *cleanup, int64_t ticket, struct spare *spare)
{
    struct tickets *tickets = cleanup->tickets;

    for (size_t i = tickets->count; i > 0; i--)
        if (tickets->spares[i - 1].inode == (ino_t)ticket) {
            *spare = take_out(tickets, i - 1);
            return true;
        }
    return false;
}
