/* session_cache - TLS sessions that tlsmgr keeps for the processes of an instance. Both wait for tlsmgr, but not for long; when
 * it is not there, there are no sessions, and one warning says so. */
#ifndef MAIL_TLS_SESSION_CACHE_H
#define MAIL_TLS_SESSION_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/clock.h"
#include "util/base/text.h"

/* cache: "smtpd", "smtp", "lmtp". id: whatever must be the same. The session's bytes go into session (cleared first; to be
 * wiped); false: there is none. */
bool session_cache_find(const char *cache, const char *id, struct text *session);
void session_cache_keep(const char *cache, const char *id, const void *bytes, size_t length, duration lifetime);
/* One that turned out to be no good. */
void session_cache_forget(const char *cache, const char *id);

#endif
