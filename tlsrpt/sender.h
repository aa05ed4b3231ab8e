/* sender - sends the reports whose time has come, and tries again those that could not be sent. */
#ifndef TLSRPT_SENDER_H
#define TLSRPT_SENDER_H

#include "tlsrpt/tlsrpt.h"

/* In a task of its own until the process ends. */
struct sender *sender_new(struct tlsrpt *tlsrpt);
/* Something was counted: there may be reports that it does not know of. */
void sender_look(struct sender *sender);
/* Sends now, whatever time was set, what is over; domain "": all. Waits until that is done. */
void sender_hurry(struct sender *sender, const char *domain, struct tlsrpt_sent *sent);
/* No report is begun any more. */
void sender_drain(struct sender *sender);
bool sender_busy(const struct sender *sender);

/* ---- for sender.c and its tests ---- */

/* When a domain's report is to be sent (for the next time), seconds since 1970: at a time within maximal_delay (seconds) that its
 * ID draws. */
int64_t sender_due(const struct tlsrpt_domain *domain, int64_t maximal_delay);
/* Seconds until the next try after so many. */
int64_t sender_retry_delay(int64_t attempts, int64_t first);

#endif
