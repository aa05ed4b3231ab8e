/* queue_source - the queue's messages, from showq; when the mail system is down and the super-user asks, or when showq
 * does not tell what is asked for, from the files. */
#ifndef CLI_QUEUE_SOURCE_H
#define CLI_QUEUE_SOURCE_H

#include "cli/queue_command.h"
#include "cli/queue_selection.h"
#include "mail/queue/queue_listing.h"

/* Passes on what is selected. Exits when there is no way to see the queue. */
void queue_source_read(const struct queue_command *command, const struct queue_selection *selection,
                       const struct queue_listing *listing);

#endif
