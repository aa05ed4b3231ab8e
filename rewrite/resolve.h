/* resolve - where mail for an address goes: the transport, the next hop, and the class of its domain.
 *
 * The classes are Postfix's (ADDRESS_CLASS_README): local, virtual alias, virtual mailbox, relay, default. A table
 * that cannot be read gives RESOLVE_FAILED, never a wrong answer. */
#ifndef REWRITE_RESOLVE_H
#define REWRITE_RESOLVE_H

#include "mail/ipc/ipc.h"
#include "mail/service/service.h"

struct rewrite_config {
#define PARAMETER PARAMETER_MEMBER
#include "rewrite/rewrite.def"
#undef PARAMETER
};

struct resolver;

/* Opens tables and reads lists. NULL: see error. Lives as long as the process. */
struct resolver *resolver_new(const struct service_environment *environment, struct error *error);

/* Text of the reply belongs to the arena. */
void resolver_resolve(struct resolver *resolver, const struct resolve_request *request, struct arena *arena,
                      struct resolve_reply *reply);

#endif
