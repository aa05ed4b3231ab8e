/* address_lookup - asks tables about an address, from the most to the least specific key.
 *
 * Pattern tables (regexp, pcre, cidr) are asked with the whole address only. Keys are tried one after another over
 * the whole list of tables, as Postfix does. */
#ifndef MAIL_ADDRESS_ADDRESS_LOOKUP_H
#define MAIL_ADDRESS_ADDRESS_LOOKUP_H

#include "util/table/table.h"

enum address_lookup_keys {
    LOOKUP_ADDRESS = 1,      /* user+extension@domain, then user@domain */
    LOOKUP_BARE_USER = 2,    /* user+extension, user: when the domain is one of ours */
    LOOKUP_DOMAIN = 4,       /* domain */
    LOOKUP_PARENTS = 8,      /* parent domains as they are: example.com for x.example.com */
    LOOKUP_DOT_PARENTS = 16, /* parent domains with a dot: .example.com for x.example.com */
    LOOKUP_USER_AT = 32,     /* user+extension@, user@ */
    LOOKUP_AT_DOMAIN = 64,   /* @domain */
};

/* address in internal form; delimiters is recipient_delimiter. If the key that was found had no extension and
 * extension is not NULL, *extension gets the extension ("+x") of the address, to be propagated, else "". */
enum table_result address_lookup(struct table_list *tables, const char *address, int keys, const char *delimiters,
                                 struct text *result, struct text *extension, struct error *error);

/* The same for a bare domain or host name: it, then its parents as keys say. */
enum table_result domain_lookup(struct table_list *tables, const char *domain, int keys, struct text *result,
                                struct error *error);

/* Where the extension of the local part (length bytes) starts, with its delimiter; length when there is none.
 * Postmaster, mailer-daemon, double-bounce, owner-x and x-request (with owner_request_special) have none. */
size_t address_extension_start(const char *local, size_t length, const char *delimiters);

#endif
