/* config - the SMTP client's parameters, and what is made of them once at start. */
#ifndef SMTP_CONFIG_H
#define SMTP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/address/match_list.h"
#include "mail/config/mail_config.h"
#include "mail/message/mime.h"
#include "util/net/address.h"
#include "util/net/dns.h"

struct smtp_config {
#define PARAMETER PARAMETER_MEMBER
#define CLIENT(type, member, smtp, smtp_default, lmtp, lmtp_default, least, most, meaning)                            \
    parameter_member_##type member;
#include "smtp/smtp.def"
#include "smtp/tls.def"
#undef CLIENT
#undef PARAMETER
};

/* Both fill a struct smtp_config. */
extern const struct parameter_set smtp_parameters, lmtp_parameters;

enum smtp_ip_preference { SMTP_PREFER_ANY, SMTP_PREFER_IPV4, SMTP_PREFER_IPV6 };

struct smtp_cache;
struct smtp_dnssec; /* dnssec.h */
struct smtp_tls; /* tls.h */
struct smtp_reporter; /* tls_report.h */
struct smtp_logins; /* auth.h */

/* The process; hangs on service_environment.state. */
struct smtp_client {
    const struct mail_config *mail;
    const struct smtp_config *config;
    bool lmtp;               /* RFC 2033 is spoken */
    struct dns *dns;
    bool use_dns;            /* MX and DNS host lookups */
    bool host_dns, host_native;
    bool dnssec;             /* answers may be authentic: smtp_dns_support_level = dnssec, and hosts are looked up in DNS */
    bool ipv4, ipv6;         /* inet_protocols */
    struct smtp_dnssec *dnssec_probe;
    enum smtp_ip_preference preference;
    const char *default_port; /* a number */
    struct net_address bind_ipv4, bind_ipv6; /* length 0: any */
    int discard;             /* of enum ehlo_feature */
    struct mime_limits mime_limits;
    struct match_list *cache_destinations;
    struct smtp_logins *logins; /* NULL: smtp_sasl_auth_enable = no */
    struct net_address *own; /* this host's addresses: inet_interfaces, proxy_interfaces */
    size_t own_count;
    struct smtp_cache *cache;   /* whoever makes the client sets it */
    struct smtp_tls *tls;       /* that too */
    struct smtp_reporter *reporter; /* that too (tls_report.h); NULL: nothing is counted for reports */
};

/* NULL: see error. From within a task. */
struct smtp_client *smtp_client_new(const struct config *main_cf, const struct mail_config *mail,
                                    const struct smtp_config *config, bool lmtp, struct error *error);

/* Is the address one on which this host (or a proxy before it) receives mail? */
bool smtp_is_own_address(const struct smtp_client *client, const struct net_address *address);

#endif
