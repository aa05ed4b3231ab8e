/* sts_attributes - what an entry of smtp_tls_policy_maps can say about the MTA-STS policy behind it, as plug-ins do:
 *
 *     secure match=mx.example servername=hostname policy_type=sts policy_domain=example mx_host_pattern=mx.example
 *         { policy_string = version: STSv1 } { policy_string = mode: enforce } ... policy_ttl=86400
 *     may policy_type=sts policy_domain=example policy_failure=sts-policy-invalid */
#ifndef SMTP_STS_ATTRIBUTES_H
#define SMTP_STS_ATTRIBUTES_H

#include "smtp/tls_policy.h"

struct smtp_sts_strings {
    const char **items; /* NULL at the end; NULL: none */
    size_t count, room;
};

struct smtp_sts_attributes {
    bool is_sts;
    const char *domain;
    enum tls_failure failure;
    const char *failure_reason;
    struct smtp_sts_strings lines, patterns;
};

/* Whether a name is one of these attributes. */
bool smtp_sts_attribute_known(const char *name);
/* False: see error. */
bool smtp_sts_attribute_take(struct smtp_sts_attributes *attributes, const char *name, const char *value, struct arena *arena,
                             struct error *error);
/* Once the rest of the policy is there. enforce: where the level asks for a certificate, only hosts that match a pattern may have
 * the mail, and the certificate has to be the host's. */
void smtp_sts_attributes_apply(const struct smtp_sts_attributes *attributes, bool enforce, struct arena *arena,
                               struct smtp_tls_policy *policy);

#endif
