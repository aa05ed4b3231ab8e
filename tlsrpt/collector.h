/* collector - results on their way to the disk: those that come close together go there together. */
#ifndef TLSRPT_COLLECTOR_H
#define TLSRPT_COLLECTOR_H

#include "tlsrpt/tlsrpt.h"

/* Opens tlsrpt->counts, which makes the file when there is none. */
bool collector_open_counts(struct tlsrpt *tlsrpt, struct error *error);

struct collector *collector_new(struct tlsrpt *tlsrpt);
/* Copies the result. Returns how many are not on disk yet. When there are too many it is dropped, and the log will say so. */
size_t collector_add(struct collector *collector, const struct tlsrpt_result *result);
bool collector_busy(const struct collector *collector);

#endif
