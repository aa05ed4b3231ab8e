/* tlsmgr - what the processes of an instance share about TLS sessions, in memory only. */
#ifndef TLSMGR_TLSMGR_H
#define TLSMGR_TLSMGR_H

#include "mail/ipc/ipc.h"
#include "util/net/tls_ticket.h"

/* ---- keys.c: session ticket keys ---- */

struct ticket_key_ring;

/* A key makes tickets for half of lifetime, and is good for reading them for a whole one after that. */
struct ticket_key_ring *ticket_key_ring_new(duration lifetime);
void ticket_key_ring_free(struct ticket_key_ring *ring); /* wiped */
/* Those that are good now, the newest first; makes a new one when it is time. */
const struct tls_ticket_key *ticket_key_ring_current(struct ticket_key_ring *ring, size_t *count);

/* ---- sessions.c: sessions that may be resumed ---- */

struct session_store;

/* limit: entries; when there are more, those that were used longest ago go. */
struct session_store *session_store_new(size_t limit);
void session_store_free(struct session_store *store);
/* session "": forgets it. */
void session_store_put(struct session_store *store, const char *cache, const char *id, const char *session,
                       duration lifetime);
const char *session_store_find(struct session_store *store, const char *cache, const char *id); /* NULL: none */
size_t session_store_count(const struct session_store *store);

#endif
