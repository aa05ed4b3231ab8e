/* auth_cache - logins that a server refused, in a table (smtp_sasl_auth_cache_name): the same name and password are not
 * tried again there for a time, since servers lock out who keeps trying.
 *
 * A key is "host;username"; a value "TIME;HASH;DSN;TEXT", where the hash is of the password. */
#ifndef SMTP_AUTH_CACHE_H
#define SMTP_AUTH_CACHE_H

#include "util/base/arena.h"
#include "util/base/clock.h"
#include "util/base/error.h"

struct auth_cache;

struct auth_cache_login {
    const char *host, *username, *password;
};

/* "lmdb:/file", with "proxy:" before it or without. Makes the file if it is not there. NULL: see error. */
struct auth_cache *auth_cache_open(const char *table, duration lifetime, struct error *error);

/* What the server said (and its code) when it refused this login; NULL: it did not, or that was long ago. */
const char *auth_cache_find(struct auth_cache *cache, const struct auth_cache_login *login, const char **dsn,
                            struct arena *arena);
void auth_cache_remember(struct auth_cache *cache, const struct auth_cache_login *login, const char *dsn,
                         const char *text);

#endif
