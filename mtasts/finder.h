/* finder - finds the policy of a domain: kept, or fetched now; and keeps what is kept fresh. */
#ifndef MTASTS_FINDER_H
#define MTASTS_FINDER_H

#include "mtasts/cache.h"
#include "mtasts/source.h"

struct sts_finder;

/* idle (may be NULL): called when the last fetch has ended. Borrows source and cache. Needs the loop. */
struct sts_finder *sts_finder_new(const struct sts_source *source, struct sts_cache *cache, void (*idle)(void *context),
                                  void *context);

/* In a task. Text of the answer is the arena's. One fetch a domain at a time; whoever else asks waits for it. A domain whose policy
 * was fetched, or could not be, is left alone for mtasts_fetch_interval. */
void sts_finder_find(struct sts_finder *finder, const char *domain, struct arena *arena, struct mtasts_policy *answer);

/* A task that never ends: every mtasts_refresh_interval, what is due. */
void sts_finder_start_refreshing(struct sts_finder *finder);

bool sts_finder_busy(const struct sts_finder *finder); /* fetches are under way */

#endif
