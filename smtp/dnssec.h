/* dnssec - whether the name server checks signatures at all: dnssec_probe.
 *
 * Without that, level dane is may and level dane-only sends nothing, and nothing else would tell. */
#ifndef SMTP_DNSSEC_H
#define SMTP_DNSSEC_H

#include "smtp/config.h"

struct smtp_dnssec; /* of the process */

/* NULL: dnssec_probe makes no sense; see error. */
struct smtp_dnssec *smtp_dnssec_new(const char *probe, struct error *error);

/* After each answer that could have been authentic: when none has been yet, asks what is always signed, once a process, and
 * warns. From within a task. */
void smtp_dnssec_notice(const struct smtp_client *client, bool authentic);

#endif
