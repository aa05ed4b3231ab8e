/* address_list - addresses in header fields: RFC 5322 section 3.4, read leniently, changed in place.
 *
 * A field body is split into tokens; each mailbox among them can be rewritten while comments, names, groups and line
 * folds stay as they are. */
#ifndef MAIL_ADDRESS_ADDRESS_LIST_H
#define MAIL_ADDRESS_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/text.h"

/* Calls `rewrite` for each address (internal form in and out; text appended to result) and builds the new body. More
 * than token_limit tokens: the rest stays as it is. True: something changed. */
typedef void address_rewrite_fn(void *context, const char *address, struct text *result);
bool address_list_rewrite(const char *body, size_t token_limit, address_rewrite_fn *rewrite, void *context,
                          struct text *result);

/* Calls `found` for each address of the body (internal form): sendmail -t. */
typedef void address_found_fn(void *context, const char *address);
void address_list_each(const char *body, address_found_fn *found, void *context);

#endif
