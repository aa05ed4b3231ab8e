/* collector - results on their way to the disk: those that come close together go there together, and only then is whoever told
 * of them answered. */
#ifndef TLSRPT_COLLECTOR_H
#define TLSRPT_COLLECTOR_H

#include "tlsrpt/tlsrpt.h"

/* Opens tlsrpt->counts, which makes the file when there is none. */
bool collector_open_counts(struct tlsrpt *tlsrpt, struct error *error);

struct collector *collector_new(struct tlsrpt *tlsrpt);
/* Waits until the result, which is borrowed meanwhile, is on disk. False: it was dropped; the log says so. */
bool collector_add(struct collector *collector, const struct tlsrpt_result *result);
bool collector_busy(const struct collector *collector);

#endif
