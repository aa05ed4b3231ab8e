/* resolve_client - asks trivial-rewrite where mail goes, with a bounded memory of recent answers. */
#ifndef MAIL_RESOLVE_RESOLVE_CLIENT_H
#define MAIL_RESOLVE_RESOLVE_CLIENT_H

#include "mail/config/mail_config.h"
#include "mail/ipc/ipc.h"

struct resolve_client;

/* Is a table of sender_dependent_* set? */
bool resolve_depends_on_sender(const struct config *config);

/* by_sender: answers depend on the sender too (see above). Owned by the caller. */
struct resolve_client *resolve_client_new(const struct mail_config *mail, bool by_sender);
void resolve_client_free(struct resolve_client *client);

/* False: the service could not be asked; error says why. A reply with RESOLVE_FAILED is not remembered. Text of the
 * reply belongs to the arena. */
bool resolve_client_ask(struct resolve_client *client, const char *sender, const char *address, struct arena *arena,
                        struct resolve_reply *reply, struct error *error);

#endif
