/* failure - the words of RFC 8460 section 4.3 for why TLS failed, as in reports and in the attributes of MTA-STS plug-ins. */
#ifndef MAIL_TLSRPT_FAILURE_H
#define MAIL_TLSRPT_FAILURE_H

#include "mail/ipc/ipc.h"

/* What this program does not know is the general failure there. */
const char *tlsrpt_failure_word(int64_t failure);

#endif
