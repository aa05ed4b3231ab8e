/* queue_selection - which messages a command is about: --sender, --recipient, --domain, --client, --older, --larger,
 * --reason, all of them together.
 *
 * A message is selected when the message is as --sender, --client, --older and --larger say, and one of its
 * recipients is as --recipient, --domain and --reason say. Text is a pattern (util/table/pattern.h). */
#ifndef CLI_QUEUE_SELECTION_H
#define CLI_QUEUE_SELECTION_H

#include <stdbool.h>

#include "mail/queue/queue_listing.h"
#include "util/base/error.h"

/* getopt_long's rows and what it returns for them. */
enum queue_selection_option {
    SELECT_SENDER = 256,
    SELECT_RECIPIENT,
    SELECT_DOMAIN,
    SELECT_CLIENT,
    SELECT_OLDER,
    SELECT_LARGER,
    SELECT_REASON,
    SELECT_DRY_RUN,
    SELECT_END, /* a command's own long options start here */
};
#define QUEUE_SELECTION_OPTIONS                                                                                       \
    {"sender", required_argument, NULL, SELECT_SENDER}, {"recipient", required_argument, NULL, SELECT_RECIPIENT},     \
        {"domain", required_argument, NULL, SELECT_DOMAIN}, {"client", required_argument, NULL, SELECT_CLIENT},       \
        {"older", required_argument, NULL, SELECT_OLDER}, {"larger", required_argument, NULL, SELECT_LARGER},         \
        {"reason", required_argument, NULL, SELECT_REASON}, {"dry-run", no_argument, NULL, SELECT_DRY_RUN}

struct queue_selection;

struct queue_selection *queue_selection_new(void);
void queue_selection_free(struct queue_selection *selection);
/* False: not an option of these. A value that makes no sense ends the command. */
bool queue_selection_take(struct queue_selection *selection, int option, const char *value);

bool queue_selection_is_empty(const struct queue_selection *selection); /* everything is selected */
bool queue_selection_is_dry(const struct queue_selection *selection);
/* Does it ask for what showq does not tell? */
bool queue_selection_needs_files(const struct queue_selection *selection);

/* Is the message selected? Runs in any thread. failure tells of an expression that could not be matched. */
bool queue_selection_suits(const struct queue_selection *selection, const struct listed_message *message,
                           struct error *failure);

/* The recipient's domain, "" when it has none. */
const char *queue_selection_domain(const char *address);

#endif
