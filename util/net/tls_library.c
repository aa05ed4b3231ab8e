#include "util/net/tls_library.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <stdbool.h>
#include <stddef.h>

const char *tls_library_compiled(void)
{
    return OPENSSL_VERSION_TEXT;
}

const char *tls_library_running(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

static bool supports(int kind)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(kind, NULL);

    EVP_PKEY_CTX_free(context);
    return context != NULL;
}

const char *tls_library_key_kind(unsigned index)
{
    static const struct {
        const char *name;
        int kind;
    } kinds[] = {{"dsa", EVP_PKEY_DSA}, {"ecdsa", EVP_PKEY_EC}, {"rsa", EVP_PKEY_RSA}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (supports(kinds[i].kind) && index-- == 0)
            return kinds[i].name;
    return NULL;
}
