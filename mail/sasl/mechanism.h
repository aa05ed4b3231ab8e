/* mechanism - what is true of SASL mechanisms (RFC 4422), and what the administrator asks of them. */
#ifndef MAIL_SASL_MECHANISM_H
#define MAIL_SASL_MECHANISM_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/address/match_list.h"
#include "util/base/error.h"

enum { SASL_MECHANISM_LIMIT = 20 }; /* letters of a name: RFC 4422 section 3.1 */

enum sasl_property {
    SASL_PLAINTEXT = 1,  /* the password itself is sent */
    SASL_ANONYMOUS = 2,
    SASL_DICTIONARY = 4, /* who listens can try passwords */
    SASL_ACTIVE = 8,     /* who sits between can abuse it */
    SASL_FORWARD_SECRECY = 16,
    SASL_MUTUAL_AUTH = 32, /* the server proves that it knows the password too */
};

/* smtpd_sasl_security_options and its like. */
struct sasl_options {
    unsigned forbidden, required; /* properties */
};

/* "noplaintext, noanonymous": words between blanks and commas. False: one that nobody knows, see error. */
bool sasl_options_parse(const char *words, struct sasl_options *options, struct error *error);
bool sasl_options_permit(const struct sasl_options *options, unsigned properties);

/* smtpd_sasl_mechanism_filter and its like: does the list let the name pass? An empty one lets all; one that cannot be
 * read, none, which is logged under the parameter's name. */
bool sasl_filter_passes(struct match_list *filter, const char *name, const char *parameter);

/* Letters, digits, - and _, and not too many. */
bool sasl_mechanism_valid(const char *name);

/* What ties a login to the TLS connection that it is made over (RFC 5056): for SCRAM-SHA-256-PLUS. */
struct sasl_binding {
    const char *type; /* "tls-server-end-point", "tls-exporter" */
    const void *data;
    size_t length;
};

#endif
