/* cache - the policies that were fetched, until they expire, in a store that survives the process. Times are seconds since 1970,
 * given by the caller. */
#ifndef MTASTS_CACHE_H
#define MTASTS_CACHE_H

#include "mtasts/policy.h"
#include "util/base/list.h"
#include "util/base/text.h"

struct sts_cache;

struct sts_entry {
    int64_t fetched, expires;
    int64_t used;     /* the last time that somebody asked; to the day */
    const char *id;   /* of the record that announced it */
    const char *text; /* the policy as it was published */
    struct sts_policy policy;
};

/* limit: how many policies are kept; then those go that were asked for longest ago. NULL: see error. */
struct sts_cache *sts_cache_open(const char *path, size_t limit, struct error *error);
void sts_cache_close(struct sts_cache *cache); /* NULL is fine */
size_t sts_cache_count(const struct sts_cache *cache);

/* An entry that has not expired; text is the arena's. False: there is none. One that cannot be read is none, with a warning in
 * the log. */
bool sts_cache_find(struct sts_cache *cache, const char *domain, int64_t now, struct arena *arena, struct sts_entry *entry);
/* fetched, used, id and text are to be filled; expires when the policy says. One that has expired is not kept, and what was there
 * goes. False: it is not kept; see error. */
bool sts_cache_keep(struct sts_cache *cache, const char *domain, const struct sts_entry *entry, struct error *error);
/* Remembers that it was asked for. */
void sts_cache_touch(struct sts_cache *cache, const char *domain, const struct sts_entry *entry, int64_t now);

/* Whether a policy should be fetched anew, in the background: it is a day old, or has half of its time behind it. */
bool sts_entry_is_due(const struct sts_entry *entry, int64_t now);

/* The domains, `most` at most, whose policies are due and were asked for in the last month. Drops what has expired. */
struct sts_domains {
    const char **items; /* the arena's */
    size_t count;
};
void sts_cache_sweep(struct sts_cache *cache, int64_t now, size_t most, struct arena *arena, struct sts_domains *due);

/* ---- what to do ---- */

enum sts_announcement {
    STS_ANNOUNCED,     /* there is a record with an id */
    STS_NOT_ANNOUNCED, /* none, several, or a malformed one */
    STS_NOT_KNOWN,     /* the name servers do not answer */
};

enum sts_action {
    STS_NOTHING, /* there is no policy */
    STS_USE,     /* the kept one */
    STS_REFRESH, /* the kept one, and fetch it anew meanwhile */
    STS_FETCH,   /* first; when that fails, the kept one if there is one */
};

/* RFC 8461 sections 3.3 and 5.1. kept NULL: there is none. */
enum sts_action sts_decide(enum sts_announcement announcement, const char *id, const struct sts_entry *kept, int64_t now);

#endif
