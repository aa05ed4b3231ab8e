/* tickets - the queue files that cleanup keeps for this process's next messages (cleanup_open in mail/ipc/ipc.def).
 *
 * Each message brings a ticket for another one, so there come to be as many as messages under way at once. The newest is
 * used first; what is too many grows old. */
#ifndef MAIL_SUBMIT_TICKETS_H
#define MAIL_SUBMIT_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/base/clock.h"

enum { TICKETS_LIMIT = 64 };

struct ticket {
    int64_t inode; /* 0: it is none */
    int64_t since; /* on the monotonic clock */
};

struct tickets {
    struct ticket items[TICKETS_LIMIT];
    int count;
};

void tickets_put(struct tickets *tickets, struct ticket ticket);
bool tickets_take(struct tickets *tickets, int64_t now, struct ticket *ticket); /* False: there is none that is good */

#endif
