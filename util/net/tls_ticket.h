/* tls_ticket - keys for session tickets (RFC 5077, RFC 8446 section 4.6.1), shared by the processes of an instance.
 *
 * tlsmgr makes the keys and renews them; each process asks it for them. A ticket is made with the newest key, and
 * taken while its key is good. The keys lie in memory that is locked, not dumped, and cleared. */
#ifndef UTIL_NET_TLS_TICKET_H
#define UTIL_NET_TLS_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/clock.h"
#include "util/base/error.h"

enum { TLS_TICKET_NAME_SIZE = 16, TLS_TICKET_KEY_SIZE = 32, TLS_TICKET_KEYS = 4 };

struct tls_ticket_key {
    unsigned char name[TLS_TICKET_NAME_SIZE];
    unsigned char cipher[TLS_TICKET_KEY_SIZE];
    unsigned char mac[TLS_TICKET_KEY_SIZE];
    int64_t encrypt_until, decrypt_until; /* wall clock, microseconds since 1970 */
};

struct tls_tickets;

/* cipher: tls_session_ticket_cipher, "aes-256-cbc". NULL: no such cipher, or its key is not of TLS_TICKET_KEY_SIZE. */
struct tls_tickets *tls_tickets_new(const char *cipher, struct error *error);
void tls_tickets_free(struct tls_tickets *tickets); /* NULL is fine */

/* The keys from now on, the newest first. */
void tls_tickets_set(struct tls_tickets *tickets, const struct tls_ticket_key *keys, size_t count);
/* Whether a key is there that new tickets may be made with; if not, ask for newer ones. */
bool tls_tickets_current(const struct tls_tickets *tickets);
/* A ticket came with a key that nobody knows: perhaps a newer one. Tells once each time. */
bool tls_tickets_missed(struct tls_tickets *tickets);

/* A new key: tickets are made with it for `period` from now, and taken for `lifetime` after that. */
void tls_ticket_key_make(struct tls_ticket_key *key, duration period, duration lifetime);

#endif
