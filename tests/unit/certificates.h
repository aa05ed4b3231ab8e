/* Certificates for tests, made in memory. */
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "util/base/text.h"

struct made {
    EVP_PKEY *key;
    X509 *certificate;
};

static inline void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, (char *)value);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* names: a subjectAltName, "DNS:a.example,DNS:b.example", or NULL. issuer NULL: self-signed. */
static inline struct made make_certificate(const char *type, const char *common_name, const char *names, bool ca,
                                           const struct made *issuer)
{
    struct made made = {.key = strcmp(type, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), .certificate = X509_new()};
    const struct made *by = issuer != NULL ? issuer : &made;
    X509_NAME *name = X509_get_subject_name(made.certificate);

    X509_set_version(made.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), (long)(size_t)made.key & 0xffffff);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), 86400);
    X509_set_pubkey(made.certificate, made.key);
    if (common_name != NULL)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(by->certificate));
    if (ca)
        add_extension(made.certificate, by->certificate, NID_basic_constraints, "critical,CA:TRUE");
    if (names != NULL)
        add_extension(made.certificate, by->certificate, NID_subject_alt_name, names);
    assert_true(X509_sign(made.certificate, by->key, EVP_sha256()) > 0);
    return made;
}

static inline void free_made(struct made *made)
{
    EVP_PKEY_free(made->key);
    X509_free(made->certificate);
}

static inline void append_pem(struct text *text, BIO *bio)
{
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);

    text_append_bytes(text, bytes, (size_t)length);
    BIO_free(bio);
}

static inline void append_key(struct text *text, const struct made *made)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey(bio, made->key, NULL, NULL, 0, NULL, NULL);
    append_pem(text, bio);
}

static inline void append_public_key(struct text *text, const struct made *made)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PUBKEY(bio, made->key);
    append_pem(text, bio);
}

static inline void append_certificate(struct text *text, const struct made *made)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, made->certificate);
    append_pem(text, bio);
}

#endif
