/* date - "Tue, 24 Nov 2026 15:05:42 +0000 (UTC)": RFC 5322 section 3.3, as Postfix writes it. */
#ifndef MAIL_MESSAGE_DATE_H
#define MAIL_MESSAGE_DATE_H

#include <stdint.h>

enum { MAIL_DATE_SIZE = 64 };

const char *mail_date(int64_t seconds, char buffer[MAIL_DATE_SIZE]);

#endif
