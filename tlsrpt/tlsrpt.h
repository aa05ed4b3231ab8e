/* tlsrpt - what the parts of the service share. */
#ifndef TLSRPT_TLSRPT_H
#define TLSRPT_TLSRPT_H

#include "mail/service/service.h"
#include "mail/submit/submission.h"
#include "mail/tlsrpt/report.h"
#include "util/net/dns.h"

struct tlsrpt_config {
#define PARAMETER PARAMETER_MEMBER
#include "tlsrpt/tlsrpt.def"
#undef PARAMETER
};

struct collector; /* collector.h */
struct sender;    /* sender.h */

/* The process; hangs on service_environment.state. */
struct tlsrpt {
    struct service_environment *environment;
    const struct tlsrpt_config *config;
    const char *submitter; /* the domain that reports */
    struct tlsrpt_reporter reporter;
    struct tlsrpt_counts *counts; /* NULL: nothing was ever counted */
    struct dns *dns;
    struct submission_pool *cleanup;
    struct collector *collector;
    struct sender *sender;
};

#endif
