/* tls_credentials - private keys with their certificate chains, and fingerprints.
 *
 * Made from PEM text, not from files, so that who may read the files is the caller's affair. Private keys stay in
 * this module's memory, which is cleared when freed. */
#ifndef UTIL_NET_TLS_CREDENTIALS_H
#define UTIL_NET_TLS_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"
#include "util/base/text.h"

struct tls_credentials; /* counted references: the last free clears it */

struct tls_credentials *tls_credentials_new(void);
struct tls_credentials *tls_credentials_share(struct tls_credentials *credentials); /* one more reference */
void tls_credentials_free(struct tls_credentials *credentials);                     /* NULL is fine */
bool tls_credentials_empty(const struct tls_credentials *credentials);

/* Adds what a chain file holds: each private key followed by its certificate and the certificates that issued it, for
 * any number of algorithms (smtpd_tls_chain_files; several files are one text). A key without its certificate, or with
 * another's, is an error and adds nothing. name is for errors. */
bool tls_credentials_add_chain(struct tls_credentials *credentials, const char *pem, size_t length, const char *name,
                               struct error *error);
/* Adds one key and its chain from two texts, which may be the same (smtpd_tls_cert_file, smtpd_tls_key_file). */
bool tls_credentials_add_pair(struct tls_credentials *credentials, const struct text *certificates,
                              const char *certificates_name, const struct text *key, const char *key_name,
                              struct error *error);

/* The digests that fingerprints may be in: "sha256", "sha1", "md5" and what else OpenSSL has. */
bool tls_digest_exists(const char *name);
/* The fingerprint of bytes: "AB:CD:EF". False: no such digest. */
bool tls_fingerprint(const char *digest, const void *bytes, size_t length, struct text *result);

#endif
