#include "util/net/crypto.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

void crypto_sha256(const void *bytes, size_t length, unsigned char digest[CRYPTO_SHA256_SIZE])
{
    int done = EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL);

    assert(done == 1);
}

void crypto_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                        unsigned char digest[CRYPTO_SHA256_SIZE])
{
    const unsigned char *done = HMAC(EVP_sha256(), key, (int)key_length, bytes, length, digest, NULL);

    assert(done != NULL);
}

bool crypto_hmac_md5(const void *key, size_t key_length, const void *bytes, size_t length,
                     unsigned char digest[CRYPTO_MD5_SIZE])
{
    return HMAC(EVP_md5(), key, (int)key_length, bytes, length, digest, NULL) != NULL;
}

void crypto_pbkdf2_sha256(const void *password, size_t length, const void *salt, size_t salt_length,
                          unsigned iterations, unsigned char key[CRYPTO_SHA256_SIZE])
{
    int done = PKCS5_PBKDF2_HMAC(password, (int)length, salt, (int)salt_length, (int)iterations, EVP_sha256(),
                                 CRYPTO_SHA256_SIZE, key);

    assert(done == 1);
}

void crypto_random(void *bytes, size_t length)
{
    unsigned char *next = bytes;

    while (length > 0) {
        ssize_t got = getrandom(next, length, 0);

        if (got > 0) {
            next += got;
            length -= (size_t)got;
        }
    }
}

bool crypto_equal(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}
