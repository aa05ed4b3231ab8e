#include "mail/submit/tickets.h"

#include "mail/ipc/ipc.h"

void tickets_put(struct tickets *tickets, struct ticket ticket)
{
    if (ticket.inode != 0 && tickets->count < TICKETS_LIMIT)
        tickets->items[tickets->count++] = ticket;
}

bool tickets_take(struct tickets *tickets, int64_t now, struct ticket *ticket)
{
    while (tickets->count > 0) {
        *ticket = tickets->items[--tickets->count];
        if (now - ticket->since < IPC_TICKET_LIFETIME)
            return true;
    }
    *ticket = (struct ticket){0};
    return false;
}
