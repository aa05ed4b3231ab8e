/* counts - how attempts to use TLS ended, by period, domain, policy and failure (RFC 8460 section 4), in a store
 * (util/table/store.h) below data_directory. tlsrpt(8) writes it; who may read the file can look meanwhile.
 *
 * Its rows are messages of mail/ipc/ipc.def. START is the period's, seconds since 1970; P and F are hashes of what is the same:
 *     period/START              tlsrpt_period
 *     domain/START/DOMAIN       tlsrpt_domain
 *     policy/START/DOMAIN/P     tlsrpt_policy
 *     failure/START/DOMAIN/P/F  tlsrpt_failure
 *
 * Nothing here asks what time it is. Periods begin at multiples of their length: days at 00:00 UTC. */
#ifndef MAIL_TLSRPT_COUNTS_H
#define MAIL_TLSRPT_COUNTS_H

#include "mail/ipc/ipc.h"

struct tlsrpt_limits {
    int64_t period;   /* seconds */
    int64_t domains;  /* in a period */
    int64_t failures; /* kinds of failures listed for a policy of a domain */
};

struct tlsrpt_counts;

/* Whether anything was ever counted. data_directory: "/var/lib/postfix". */
bool tlsrpt_counts_exist(const char *data_directory);
/* NULL: see error. */
struct tlsrpt_counts *tlsrpt_counts_open(const char *data_directory, const struct tlsrpt_limits *limits, struct error *error);
/* To look only. */
struct tlsrpt_counts *tlsrpt_counts_open_to_read(const char *data_directory, struct error *error);
void tlsrpt_counts_close(struct tlsrpt_counts *counts); /* NULL is fine */

/* Adds results that came at `now`, seconds since 1970, with one trip to the disk. *uncounted: how many of them were over a limit.
 * False: none of them is counted. */
bool tlsrpt_counts_add(struct tlsrpt_counts *counts, const struct tlsrpt_result *const *results, size_t count, int64_t now,
                       size_t *uncounted, struct error *error);

/* The domains of all periods, the oldest period first; what the function gets is its own until it returns. It says whether to
 * go on, and may save and forget. */
typedef bool tlsrpt_domain_fn(void *context, const struct tlsrpt_domain *domain);
bool tlsrpt_counts_each(struct tlsrpt_counts *counts, tlsrpt_domain_fn *function, void *context, struct error *error);

/* What was counted for one of them. All is the arena's. */
struct tlsrpt_policy_counts {
    struct tlsrpt_policy policy;
    struct tlsrpt_failure *failures;
    size_t count;
};
bool tlsrpt_counts_read(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, struct arena *arena,
                        struct tlsrpt_policy_counts **policies, size_t *count, struct error *error);

bool tlsrpt_counts_save(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, struct error *error);
/* The domain's rows, and those that kept account of periods before its own. */
bool tlsrpt_counts_forget(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, struct error *error);

#endif
