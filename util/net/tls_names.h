/* tls_names - protocol lists and cipher grades as main.cf writes them. */
#ifndef UTIL_NET_TLS_NAMES_H
#define UTIL_NET_TLS_NAMES_H

#include <stdbool.h>

#include "util/base/error.h"
#include "util/base/text.h"

/* Protocol versions by their number on the wire: TLSv1 is 0x0301, TLSv1.3 0x0304. */
struct tls_protocols {
    int least, most;   /* 0: no bound */
    unsigned excluded; /* bit N: version 0x0300 + N is not spoken */
};

/* ">=TLSv1.2, <=TLSv1.3", "!SSLv3, !TLSv1", or names alone, "TLSv1.2 TLSv1.3": those and no others. Bounds may be
 * hexadecimal wire numbers (">=0303"). False: see error. */
bool tls_protocols_parse(const char *list, struct tls_protocols *protocols, struct error *error);
/* What both allow. */
struct tls_protocols tls_protocols_both(struct tls_protocols one, struct tls_protocols other);
bool tls_protocols_allow(struct tls_protocols protocols, int version);

/* tls_high_cipherlist and so on: OpenSSL cipher lists. */
struct tls_cipher_grades {
    const char *high, *medium, *low, *export, *null;
};

/* Makes the list for a grade ("high", "medium", ...) without what is excluded (names between blanks, commas or
 * colons, several lists; NULL ends). False: no such grade. */
bool tls_cipher_list(const struct tls_cipher_grades *grades, const char *grade, const char *const *exclusions,
                     struct text *list, struct error *error);

#endif
