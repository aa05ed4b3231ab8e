/* queue_flush - has deferred mail tried now: all of it, what is selected, one destination's, one message. Each exits
 * when it cannot be done. */
#ifndef CLI_QUEUE_FLUSH_H
#define CLI_QUEUE_FLUSH_H

#include "cli/queue_command.h"
#include "cli/queue_selection.h"

/* What is selected, and other mail is left alone; everything when all is selected. */
void queue_flush(const struct queue_command *command, const struct queue_selection *selection);

/* fast_flush_domains says which sites there may be. */
void queue_flush_site(const struct queue_command *command, const char *site, struct queue_selection *selection);

void queue_flush_id(const struct queue_command *command, const char *id);

#endif
