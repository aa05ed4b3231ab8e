/* dsn - enhanced status codes: RFC 3463. */
#ifndef MAIL_DELIVERY_DSN_H
#define MAIL_DELIVERY_DSN_H

#include <stddef.h>

/* The length of the code that the text starts with ("5.1.1", with a blank or the end behind); 0: there is none. */
size_t dsn_length(const char *text);

enum { DSN_SIZE = 16 };

/* Takes "5.7.1 some text" apart: the code goes into dsn if its first digit is that of fallback ("5.0.0"), else fallback
 * does. Returns the text behind code and blanks. */
const char *dsn_split(const char *text, const char *fallback, char dsn[DSN_SIZE]);

#endif
