/* tls_generate - new keys, self-signed certificates, requests for certificates, TLSA records: postfix-tls(1). All as PEM
 * text; texts with keys are to be wiped. */
#ifndef UTIL_NET_TLS_GENERATE_H
#define UTIL_NET_TLS_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/base/error.h"
#include "util/base/text.h"

/* algorithm: "rsa" (size: bits, at least 2048; NULL: 2048) or "ecdsa" (size: a curve's name; NULL: secp256r1). */
bool tls_generate_key(const char *algorithm, const char *size, struct text *key, struct error *error);

/* "rsa", "ecdsa", or OpenSSL's name of another; NULL: see error. file is for errors. */
const char *tls_key_algorithm(const struct text *key, const char *file, struct error *error);

/* Certificates for hosts (NULL ends), the first of which is the common name: good for a hundred years, and made out to and by
 * the same. */
bool tls_generate_certificate(const struct text *key, const char *const *hosts, struct text *certificate,
                              struct error *error);
/* A request (PKCS #10) for such a certificate by a CA. */
bool tls_generate_request(const struct text *key, const char *const *hosts, struct text *request, struct error *error);

/* The data of a TLSA record 3 1 1 for the key, in hexadecimal. */
bool tls_generate_tlsa(const struct text *key, const char *file, struct text *data, struct error *error);

struct tls_certificate_summary {
    char algorithm[16]; /* "rsa", "ecdsa" */
    char subject[256];
    char until[32]; /* "2027-01-31" */
    int64_t days;   /* from now, negative: expired */
};
/* What the first certificate of a text says of itself. */
bool tls_certificate_read(const struct text *certificates, const char *file, struct tls_certificate_summary *summary,
                          struct error *error);

#endif
