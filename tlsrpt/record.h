/* record - the TXT record at _smtp._tls.DOMAIN by which a domain asks for reports: RFC 8460 section 3. */
#ifndef TLSRPT_RECORD_H
#define TLSRPT_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/arena.h"

enum { RECORD_DESTINATIONS = 8 }; /* more are not looked at */

struct record_destination {
    const char *uri;     /* as published */
    const char *address; /* of mailto: in internal form; NULL: the URI is https: */
};

struct record {
    struct record_destination destinations[RECORD_DESTINATIONS];
    size_t count;
};

/* Whether a TXT record says that it is one of these. A domain may have one only. */
bool record_is_meant(const char *text);
/* False: there is a mistake in it, or no destination that could be used: then the domain gets no reports. All is the arena's. */
bool record_parse(const char *text, struct arena *arena, struct record *record);

#endif
