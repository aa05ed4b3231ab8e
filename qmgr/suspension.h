/* suspension - destinations that an administrator has had left alone: postqueue --suspend.
 *
 * A name is a recipient's domain or a next hop, in lower case. Mail for it is deferred with a reason that says so; what
 * is under way runs to its end. They are kept in data_directory/suspended, a line each: "NAME SECONDS", when it ends in
 * seconds since 1970, or 0. When one ends, by time or by word, what was deferred for its sake is due. */
#ifndef QMGR_SUSPENSION_H
#define QMGR_SUSPENSION_H

#include "mail/ipc/ipc.h"
#include "qmgr/qmgr.h"

/* While still privileged, and in sight of data_directory. */
struct suspensions *suspensions_new(struct manager *manager);
/* The loop runs: their ends can be waited for. */
void suspensions_start(struct suspensions *suspensions);

/* Why the message is not delivered to this recipient now; NULL: it is. Borrowed until the next wait. */
const char *suspension_reason(const struct message *message, const struct message_recipient *recipient,
                              const char *nexthop);
#define SUSPENSION_DSN "4.3.2"

/* Defers those of the entry's recipients that are suspended. False: all of them; the entry, which must not be in a
 * list, will end by itself. */
bool suspension_spare(struct entry *entry);

/* Both write the file first, within a task. False: error says why nothing changed. */
bool suspension_begin(struct suspensions *suspensions, const char *name, int64_t until, struct error *error);
bool suspension_end(struct suspensions *suspensions, const char *name, struct error *error);

void suspensions_list(const struct suspensions *suspensions, struct arena *arena, struct qmgr_suspensions *list);

#endif
