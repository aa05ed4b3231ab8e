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

/* Asks for many addresses side by side, so that resolve_client_ask for each of them afterwards is answered from memory.
 * What cannot be known now is asked for again then. `count` up to RESOLVE_AT_ONCE. */
enum { RESOLVE_AT_ONCE = 500 };
void resolve_client_prepare(struct resolve_client *client, const char *sender, const char *const *addresses,
                            size_t count);

#endif
