/* The restrictions of restriction_access.c, restriction_name.c and restriction_address.c, for the rows. */
#ifndef SMTPD_RESTRICTION_FUNCTIONS_H
#define SMTPD_RESTRICTION_FUNCTIONS_H

#include "smtpd/restriction.h"

/* Access tables. */
restriction_fn restriction_check_client_access, restriction_check_address_map, restriction_check_reverse_client_access,
    restriction_check_helo_access, restriction_check_sender_access, restriction_check_recipient_access;

/* Logins. */
restriction_fn restriction_permit_authenticated, restriction_check_sasl_access, restriction_sender_mismatch,
    restriction_known_sender_mismatch, restriction_authenticated_sender_mismatch,
    restriction_unauthenticated_sender_mismatch;

/* Names of clients, HELO and domains. */
restriction_fn restriction_unknown_client, restriction_unknown_reverse_client, restriction_non_fqdn_helo,
    restriction_invalid_helo, restriction_non_fqdn_sender, restriction_non_fqdn_recipient,
    restriction_unknown_sender_domain, restriction_unknown_recipient_domain;

/* Where mail goes, and who exists there. */
restriction_fn restriction_permit_auth_destination, restriction_reject_unauth_destination,
    restriction_defer_unauth_destination, restriction_unlisted_sender, restriction_unlisted_recipient;

/* TLS certificates. */
restriction_fn restriction_permit_tls_clientcerts, restriction_permit_tls_all_clientcerts, restriction_check_ccert_access;
bool restriction_read_certificate_table(struct restriction *restriction, const char *argument, struct error *error);

/* Applies what an access table's lookup gave; frees the value. */
enum judgement restriction_apply(struct judge *judge, const struct restriction *restriction,
                                 enum restriction_list_kind about, const char *key, enum table_result found,
                                 struct text *value);

/* Asks rewrite. False: judged already (*judgement), since it could not answer. */
bool restriction_resolve(struct judge *judge, const char *address, struct resolve_reply *reply,
                         enum judgement *judgement);

#endif
