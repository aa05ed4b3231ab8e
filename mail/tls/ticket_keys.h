/* ticket_keys - the session ticket keys of an instance, as a process has them from tlsmgr. */
#ifndef MAIL_TLS_TICKET_KEYS_H
#define MAIL_TLS_TICKET_KEYS_H

#include "mail/ipc/ipc.h"
#include "mail/tls/mail_tls.h"

struct ticket_keys;

/* service: who asks; borrowed. NULL: see error (tls_session_ticket_cipher). */
struct ticket_keys *ticket_keys_new(const struct tls_parameters *parameters, const char *service, struct error *error);
struct tls_tickets *ticket_keys_tickets(struct ticket_keys *keys); /* for a context's settings; borrowed */

/* Before each handshake, in a task: asks tlsmgr when there are no keys, or newer ones are due. While keys are at hand nobody
 * waits for that. */
void ticket_keys_refresh(struct ticket_keys *keys);

/* The message's fields to keys and back; keys in texts are wiped by the caller. False: damaged. */
void ticket_key_print(const struct tls_ticket_key *key, struct text *text);
bool ticket_key_parse(const char *text, struct tls_ticket_key *key);

#endif
