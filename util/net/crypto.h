/* crypto - the few cryptographic functions that authentication needs. MD5 only because CRAM-MD5 (RFC 2195) is made of
 * it. */
#ifndef UTIL_NET_CRYPTO_H
#define UTIL_NET_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

enum { CRYPTO_MD5_SIZE = 16, CRYPTO_SHA256_SIZE = 32 };

void crypto_sha256(const void *bytes, size_t length, unsigned char digest[CRYPTO_SHA256_SIZE]);
void crypto_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                        unsigned char digest[CRYPTO_SHA256_SIZE]);
/* False: this system's policy does not allow MD5. */
bool crypto_hmac_md5(const void *key, size_t key_length, const void *bytes, size_t length,
                     unsigned char digest[CRYPTO_MD5_SIZE]);
/* PBKDF2 (RFC 8018) with HMAC-SHA-256. Slow on purpose: in a service by offload_run. */
void crypto_pbkdf2_sha256(const void *password, size_t length, const void *salt, size_t salt_length,
                          unsigned iterations, unsigned char key[CRYPTO_SHA256_SIZE]);
void crypto_random(void *bytes, size_t length);
/* Takes the same time wherever they differ. */
bool crypto_equal(const void *a, const void *b, size_t length);

#endif
