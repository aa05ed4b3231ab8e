#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"
#include "util/net/tls_internal.h"

struct tls_credentials *tls_credentials_new(void)
{
    struct tls_credentials *credentials = memory_new(sizeof *credentials);

    credentials->references = 1;
    return credentials;
}

struct tls_credentials *tls_credentials_share(struct tls_credentials *credentials)
{
    credentials->references++;
    return credentials;
}

static void forget(struct tls_credential *item)
{
    EVP_PKEY_free(item->key);
    X509_free(item->certificate);
    sk_X509_pop_free(item->chain, X509_free);
}

void tls_credentials_free(struct tls_credentials *credentials)
{
    if (credentials == NULL || --credentials->references > 0)
        return;
    for (size_t i = 0; i < credentials->count; i++)
        forget(&credentials->items[i]);
    free(credentials->items);
    free(credentials);
}

bool tls_credentials_empty(const struct tls_credentials *credentials)
{
    return credentials->count == 0;
}

/* Keeps the item, or frees it. */
static bool keep(struct tls_credentials *credentials, struct tls_credential *item, const char *name, struct error *error)
{
    if (item->certificate == NULL) {
        error_set(error, "no certificate follows the private key in %s", name);
        forget(item);
        return false;
    }
    if (X509_check_private_key(item->certificate, item->key) != 1) {
        ERR_clear_error();
        error_set(error, "the private key does not match the certificate in %s", name);
        forget(item);
        return false;
    }
    credentials->items = memory_resize(credentials->items, (credentials->count + 1) * sizeof *credentials->items);
    credentials->items[credentials->count++] = *item;
    return true;
}

static bool is_key(const char *kind)
{
    return string_ends(kind, "PRIVATE KEY");
}

/* A key with a passphrase cannot be used by a service: nobody is there to type it. */
static EVP_PKEY *decode_key(const char *kind, const char *header, unsigned char *bytes, long length, const char *name,
                            struct error *error)
{
    const unsigned char *at = bytes;
    EVP_PKEY *key = NULL;

    if (strstr(kind, "ENCRYPTED") != NULL || (header != NULL && strstr(header, "ENCRYPTED") != NULL)) {
        error_set(error, "the private key in %s has a passphrase: keys for services must not have one", name);
        return NULL;
    }
    key = d2i_AutoPrivateKey(NULL, &at, length);
    if (key == NULL) {
        ERR_clear_error();
        error_set(error, "malformed %s in %s", kind, name);
    }
    return key;
}

/* The objects of a text, one after another: false at its end or at an error (then *failed). */
struct pem_reader {
    BIO *text;
    const char *name;
    EVP_PKEY *key;
    X509 *certificate;
    bool failed;
};

static bool pem_next(struct pem_reader *reader, struct error *error)
{
    char *kind = NULL, *header = NULL;
    unsigned char *bytes = NULL;
    long length;
    bool found = false;

    reader->key = NULL;
    reader->certificate = NULL;
    while (!found && !reader->failed && PEM_read_bio(reader->text, &kind, &header, &bytes, &length) == 1) {
        const unsigned char *at = bytes;

        if (is_key(kind)) {
            reader->key = decode_key(kind, header, bytes, length, reader->name, error);
            reader->failed = reader->key == NULL;
        } else if (strcmp(kind, PEM_STRING_X509) == 0 || strcmp(kind, PEM_STRING_X509_OLD) == 0) {
            reader->certificate = d2i_X509(NULL, &at, length);
            reader->failed = reader->certificate == NULL;
            if (reader->failed)
                error_set(error, "malformed CERTIFICATE in %s", reader->name);
        }
        found = reader->key != NULL || reader->certificate != NULL;
        OPENSSL_clear_free(bytes, (size_t)length);
        OPENSSL_free(kind);
        OPENSSL_free(header);
    }
    if (!found && !reader->failed && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        reader->failed = true; /* begun, and not ended */
        error_set(error, "malformed PEM object in %s", reader->name);
    }
    ERR_clear_error();
    return found;
}

static struct pem_reader pem_open(const char *pem, size_t length, const char *name)
{
    return (struct pem_reader){.text = BIO_new_mem_buf(pem, (int)length), .name = name};
}

static bool add_certificate(struct tls_credential *item, X509 *certificate)
{
    if (item->certificate == NULL) {
        item->certificate = certificate;
        item->chain = sk_X509_new_null();
        return true;
    }
    return sk_X509_push(item->chain, certificate) > 0;
}

/* Takes back what was added after count. */
static void cut(struct tls_credentials *credentials, size_t count)
{
    while (credentials->count > count)
        forget(&credentials->items[--credentials->count]);
}

bool tls_credentials_add_chain(struct tls_credentials *credentials, const char *pem, size_t length, const char *name,
                               struct error *error)
{
    struct pem_reader reader = pem_open(pem, length, name);
    struct tls_credential item = {0};
    size_t before = credentials->count;
    bool good = true;

    while (good && pem_next(&reader, error)) {
        if (reader.key != NULL && item.key != NULL)
            good = keep(credentials, &item, name, error);
        if (reader.key != NULL) {
            item = (struct tls_credential){.key = reader.key};
        } else if (item.key == NULL) {
            X509_free(reader.certificate);
            good = error_set(error, "the first object in %s is a certificate: its private key must come before it", name);
        } else {
            add_certificate(&item, reader.certificate);
        }
    }
    good = good && !reader.failed;
    if (good && item.key == NULL)
        good = error_set(error, "no private key in %s", name);
    if (good)
        good = keep(credentials, &item, name, error);
    else if (item.key != NULL && (credentials->count == 0 || credentials->items[credentials->count - 1].key != item.key))
        forget(&item);
    if (!good)
        cut(credentials, before);
    BIO_free(reader.text);
    return good;
}

bool tls_credentials_add_pair(struct tls_credentials *credentials, const struct text *certificates,
                              const char *certificates_name, const struct text *key, const char *key_name,
                              struct error *error)
{
    struct pem_reader reader = pem_open(text_string(key), key->length, key_name);
    struct tls_credential item = {0};
    bool good;

    while (item.key == NULL && pem_next(&reader, error)) {
        item.key = reader.key;
        X509_free(reader.certificate);
    }
    BIO_free(reader.text);
    good = !reader.failed && (item.key != NULL || error_set(error, "no private key in %s", key_name));
    reader = pem_open(text_string(certificates), certificates->length, certificates_name);
    while (good && pem_next(&reader, error)) {
        EVP_PKEY_free(reader.key);
        if (reader.certificate != NULL)
            add_certificate(&item, reader.certificate);
    }
    BIO_free(reader.text);
    good = good && !reader.failed && (item.certificate != NULL || error_set(error, "no certificate in %s", certificates_name));
    if (good)
        return keep(credentials, &item, certificates_name, error);
    forget(&item);
    return false;
}

bool tls_credentials_use(const struct tls_credentials *credentials, SSL *ssl, struct error *error)
{
    SSL_certs_clear(ssl);
    for (size_t i = 0; i < credentials->count; i++) {
        const struct tls_credential *item = &credentials->items[i];

        if (SSL_use_cert_and_key(ssl, item->certificate, item->key, item->chain, 1) != 1)
            return tls_error_take(error, "certificate not usable");
    }
    return true;
}

/* ---- digests ---- */

bool tls_digest_exists(const char *name)
{
    EVP_MD *digest = EVP_MD_fetch(NULL, name, NULL);

    EVP_MD_free(digest);
    ERR_clear_error();
    return digest != NULL;
}

bool tls_fingerprint(const char *digest, const void *bytes, size_t length, struct text *result)
{
    EVP_MD *method = EVP_MD_fetch(NULL, digest, NULL);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    bool good = method != NULL && EVP_Digest(bytes, length, hash, &size, method, NULL) == 1;

    text_clear(result);
    for (unsigned i = 0; good && i < size; i++)
        text_append_format(result, "%s%02X", i > 0 ? ":" : "", hash[i]);
    EVP_MD_free(method);
    ERR_clear_error();
    return good;
}
