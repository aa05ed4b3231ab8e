/* trouble - why a host, or a whole destination, did not take the mail. */
#ifndef SMTP_TROUBLE_H
#define SMTP_TROUBLE_H

#include "util/base/error.h"

struct smtp_trouble {
    const char *dsn;        /* "4.4.1"; 5 first: trying again is of no use */
    struct error reason;    /* in the operator's words */
    const char *relay;      /* "host[addr]:port" when a connection stood; NULL */
    const char *remote_mta; /* the same without address and port */
    const char *diagnostic; /* what the server said; NULL: nothing */
};

#endif
