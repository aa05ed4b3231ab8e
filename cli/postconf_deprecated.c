/* postconf: parameters that Postfix is going to remove, and what takes their place (Postfix 3.9, DEPRECATION_README). */
#include <string.h>

#include "cli/postconf.h"
#include "util/base/log.h"
#include "util/base/memory.h"

static const struct {
    const char *name, *instead; /* NULL: nothing */
} deprecated[] = {
    {"disable_dns_lookups", "smtp_dns_support_level"},
    {"lmtp_enforce_tls", "lmtp_tls_security_level"},
    {"lmtp_tls_enforce_peername", "lmtp_tls_security_level"},
    {"lmtp_tls_per_site", "lmtp_tls_policy_maps"},
    {"lmtp_use_tls", "lmtp_tls_security_level"},
    {"postscreen_enforce_tls", "postscreen_tls_security_level"},
    {"postscreen_use_tls", "postscreen_tls_security_level"},
    {"smtp_enforce_tls", "smtp_tls_security_level"},
    {"smtp_tls_enforce_peername", "smtp_tls_security_level"},
    {"smtp_tls_per_site", "smtp_tls_policy_maps"},
    {"smtp_use_tls", "smtp_tls_security_level"},
    {"smtpd_enforce_tls", "smtpd_tls_security_level"},
    {"smtpd_tls_dh1024_param_file", NULL},
    {"smtpd_tls_eecdh_grade", NULL},
    {"smtpd_use_tls", "smtpd_tls_security_level"},
    {"tlsproxy_client_enforce_tls", "tlsproxy_client_security_level"},
    {"tlsproxy_client_per_site", "tlsproxy_client_policy_maps"},
    {"tlsproxy_client_use_tls", "tlsproxy_client_security_level"},
    {"tlsproxy_enforce_tls", "tlsproxy_tls_security_level"},
    {"tlsproxy_use_tls", "tlsproxy_tls_security_level"},
};

struct place {
    const struct postconf *postconf;
    const char *file;
};

static void warn(void *context, const char *name, const char *value)
{
    const struct place *place = context;

    (void)value;
    for (size_t i = 0; i < sizeof deprecated / sizeof *deprecated; i++) {
        if (!string_equal(deprecated[i].name, name))
            continue;
        if (deprecated[i].instead != NULL)
            log_warning(NULL, "%s/%s: support for parameter \"%s\" will be removed; instead, specify \"%s\"",
                        place->postconf->directory, place->file, name, deprecated[i].instead);
        else
            log_warning(NULL,
                        "%s/%s: support for parameter \"%s\" will be removed; instead, do not specify (leave at default)",
                        place->postconf->directory, place->file, name);
    }
}

void postconf_warn_deprecated(const struct postconf *postconf)
{
    struct place place = {postconf, "main.cf"};

    for (size_t i = 0; i < sizeof deprecated / sizeof *deprecated; i++)
        if (config_get_raw(postconf->config, deprecated[i].name) != NULL)
            warn(&place, deprecated[i].name, NULL);
    place.file = "master.cf";
    for (size_t i = 0; postconf->master_cf != NULL && i < postconf->master_cf->count; i++)
        postconf_each_override(&postconf->master_cf->services[i], warn, &place);
}
