/* alias_entry - one `name: value, value` line of an aliases(5) file.
 *
 * Both sides are made of the tokens of RFC 822 addresses. A name is kept in internal form (no quotes), a value in
 * external form, tokens written as one program or another wrote them: blanks only between words, ", " after each
 * destination. What comes of it is what Postfix's postalias makes, byte for byte. */
#ifndef MAIL_ADDRESS_ALIAS_ENTRY_H
#define MAIL_ADDRESS_ALIAS_ENTRY_H

#include "util/base/text.h"

enum alias_entry_result {
    ALIAS_ENTRY_GOOD,
    ALIAS_ENTRY_NO_PAIR,   /* no name, no colon, a comma before the colon, or nothing behind it */
    ALIAS_ENTRY_NOT_LOCAL, /* the name has a domain: an @ or % outside quotes */
};

/* Appends to name and value; the texts are worth nothing unless the answer is ALIAS_ENTRY_GOOD. */
enum alias_entry_result alias_entry_parse(const char *line, struct text *name, struct text *value);

#endif
