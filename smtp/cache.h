/* cache - sessions that wait for the next message to the same place, for a short time. */
#ifndef SMTP_CACHE_H
#define SMTP_CACHE_H

#include <stdbool.h>

#include "smtp/requiretls.h"
#include "smtp/session.h"

struct smtp_cache;
struct smtp_destination; /* a next hop, as the queue manager names it, while mail goes there */

/* `emptied` is called when the last session that was kept has been closed. */
typedef void smtp_cache_emptied_fn(void *context);
struct smtp_cache *smtp_cache_new(const struct smtp_client *client, smtp_cache_emptied_fn *emptied, void *context);
bool smtp_cache_empty(const struct smtp_cache *cache);

/* Around each delivery to the next hop. */
struct smtp_destination *smtp_cache_enter(struct smtp_cache *cache, const char *nexthop);
void smtp_cache_leave(struct smtp_cache *cache, struct smtp_destination *destination);

/* A session that was kept and is fit for the purpose and for what the message demands, or NULL. It may have died meanwhile; the first command tells. */
struct smtp_session *smtp_cache_take(struct smtp_cache *cache, struct smtp_destination *destination,
                                     const struct smtp_purpose *purpose, enum smtp_requiretls demand);
/* Keeps the session if the parameters allow it and there is use for it, else closes it. */
void smtp_cache_keep(struct smtp_cache *cache, struct smtp_destination *destination, struct smtp_session *session);

#endif
