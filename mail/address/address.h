/* address - addresses on the wire and inside: RFC 5321 paths, quoting, xtext.
 *
 * External form is as in SMTP and headers: "a b"@example.com. Internal form has no quotes and is what programs and
 * tables work with: a b@example.com. */
#ifndef MAIL_ADDRESS_ADDRESS_H
#define MAIL_ADDRESS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/text.h"

/* Reads the argument of MAIL FROM: or RCPT TO: (RFC 5321 section 4.1.2): "<path> parameters...", a source route is
 * dropped. Without strict, blanks before it, missing brackets, and forms that Postfix lets pass are taken.
 * `internal` gets the address, *rest points behind the path (at the parameters, blanks skipped). False: not an
 * address. An empty path is an empty address: whether that is right is for the caller. */
bool address_parse_path(const char *argument, bool strict, bool allow_utf8, struct text *internal, const char **rest);

/* Internal to external form: quotes the local part where RFC 5321 wants it. */
void address_quote(const char *internal, struct text *external);
void address_append_quoted(const char *internal, struct text *external); /* the same behind what is there already */
/* External to internal: quotes and backslashes away; comments and blanks are not expected. */
void address_unquote(const char *external, struct text *internal);

/* Where the domain starts (behind the last @ of the internal form), NULL when there is none. */
const char *address_domain(const char *internal);

/* user-part syntax of an RFC 5321 mailbox in internal form: a valid host name or [address] behind the @, nothing
 * empty, no control characters, no leading "-" (unless allowed). */
bool address_valid(const char *internal, bool allow_utf8);

/* RFC 3461 section 4: xtext. decode is false for what is no xtext. */
void xtext_encode(const char *plain, struct text *encoded);
void xtext_append(const char *plain, struct text *encoded); /* the same behind what is there already */
bool xtext_decode(const char *encoded, struct text *plain);
/* As xtext, but UTF-8 passes (RFC 6533 utf-8-addr-unitext). */

#endif
