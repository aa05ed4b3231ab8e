/* report - what was counted for a domain, as RFC 8460 section 4.4 writes it. */
#ifndef MAIL_TLSRPT_REPORT_H
#define MAIL_TLSRPT_REPORT_H

#include "mail/tlsrpt/counts.h"

struct tlsrpt_reporter {
    const char *organization; /* "Example, Inc." */
    const char *contact;      /* an address, or whatever says how to reach them */
};

struct tlsrpt_sums {
    int64_t successes, failures; /* sessions */
    int64_t unlisted;            /* of the failures, those that there was no room to list */
};

/* Appends the report, one line of JSON. */
bool tlsrpt_report_append(struct tlsrpt_counts *counts, const struct tlsrpt_domain *domain, const struct tlsrpt_reporter *reporter,
                          struct text *json, struct tlsrpt_sums *sums, struct error *error);

/* "2026-11-27T00:00:00Z": RFC 3339. */
enum { TLSRPT_TIME_SIZE = 32 };
const char *tlsrpt_time(int64_t seconds, char buffer[TLSRPT_TIME_SIZE]);

#endif
