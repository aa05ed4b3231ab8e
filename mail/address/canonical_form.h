/* canonical_form - what an address looks like to every table: user@domain. */
#ifndef MAIL_ADDRESS_CANONICAL_FORM_H
#define MAIL_ADDRESS_CANONICAL_FORM_H

#include "mail/config/mail_config.h"
#include "util/base/text.h"

/* Internal form in and out. Drops a source route and a final dot, turns host!user and user%domain around (as
 * swap_bangpath and allow_percent_hack say), appends domain to an address without one and dot_domain to a domain
 * without a dot; NULL or "": neither. The empty address stays. */
void address_canonical_form(const struct mail_config *mail, const char *domain, const char *dot_domain,
                            const char *address, struct text *result);

/* The same with $myorigin and $mydomain, as append_at_myorigin and append_dot_mydomain say: envelopes and local mail. */
void address_canonical_form_local(const struct mail_config *mail, const char *address, struct text *result);

#endif
