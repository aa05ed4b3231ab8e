/* trouble - why a host, or a whole destination, did not take the mail. */
#ifndef SMTP_TROUBLE_H
#define SMTP_TROUBLE_H

#include "util/base/error.h"

/* What a server did not do for TLS, which a policy demands: it may be said of a message too (requiretls.h). */
enum smtp_trouble_lack { TROUBLE_OTHER, TROUBLE_NO_STARTTLS, TROUBLE_NOT_VERIFIED };

struct smtp_trouble {
    const char *dsn;        /* "4.4.1"; 5 first: trying again is of no use */
    struct error reason;    /* in the operator's words */
    const char *relay;      /* "host[addr]:port" when a connection stood; NULL */
    const char *remote_mta; /* the same without address and port */
    const char *diagnostic; /* what the server said; NULL: nothing */
    enum smtp_trouble_lack lack;
};

#endif
