/* policy - what a domain publishes for MTA-STS: the TXT record that announces a policy (RFC 8461 section 3.1), and the policy
 * (section 3.2). Both come from strangers. */
#ifndef MTASTS_POLICY_H
#define MTASTS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/ipc/ipc.h"
#include "util/base/arena.h"
#include "util/base/error.h"

enum { STS_ID_LIMIT = 32, STS_POLICY_LIMIT = 64 * 1024 /* bytes */ };

struct sts_policy {
    enum mtasts_mode mode;
    int64_t max_age;          /* seconds, a year at most */
    struct ipc_strings mx;    /* "mail.example.com", "*.example.net", in lower case */
    struct ipc_strings lines; /* all of them, without their ends */
};

/* Whether a TXT record is about MTA-STS at all; those that are not do not count. */
bool sts_record_is_ours(const char *record);
/* Its id. False: malformed. */
bool sts_record_parse(const char *record, char id[STS_ID_LIMIT + 1]);

/* Text is the arena's. False: see error ("no max_age"). Empty lines are passed over; of a field that may come once, the first
 * counts; fields that nobody knows are let be. */
bool sts_policy_parse(const char *text, size_t length, struct arena *arena, struct sts_policy *policy, struct error *error);

/* Whether it can have a policy at all: a name of letters, digits and hyphens with a dot in it. */
bool sts_domain_valid(const char *domain);

#endif
