#include "util/net/tls_generate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/net/tls_internal.h"

enum { LEAST_RSA_BITS = 2048, GREATEST_RSA_BITS = 16384, SERIAL_BITS = 159, YEARS = 100, DAYS_A_YEAR = 365 };

/* ---- PEM ---- */

static EVP_PKEY *read_key(const struct text *pem, const char *file, struct error *error)
{
    BIO *bio = BIO_new_mem_buf(text_string(pem), (int)pem->length);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)""); /* no passphrase */

    BIO_free(bio);
    ERR_clear_error();
    if (key == NULL)
        error_set(error, "no private key found in file: %s", file);
    return key;
}

/* Takes the bio. */
static bool keep(BIO *bio, bool written, struct text *pem, struct error *error)
{
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);

    text_clear(pem);
    text_reserve(pem, (size_t)length);
    text_append_bytes(pem, bytes, (size_t)length);
    OPENSSL_cleanse(bytes, (size_t)length);
    BIO_free(bio);
    return written || tls_error_take(error, "PEM");
}

/* ---- keys ---- */

static EVP_PKEY *make_rsa(const char *size, struct error *error)
{
    long bits = size != NULL ? strtol(size, NULL, 10) : LEAST_RSA_BITS;
    EVP_PKEY *key = NULL;

    if ((size != NULL && !string_all_digits(size)) || bits < LEAST_RSA_BITS || bits > GREATEST_RSA_BITS)
        error_set(error, "RSA key of %s bits: %d to %d are wanted", size, LEAST_RSA_BITS, GREATEST_RSA_BITS);
    else if ((key = EVP_RSA_gen((size_t)bits)) == NULL)
        tls_error_take(error, "RSA key");
    return key;
}

static EVP_PKEY *make_ec(const char *curve, struct error *error)
{
    EVP_PKEY *key = NULL;

    if (curve == NULL || string_equal_ignore_case(curve, "secp256r1"))
        curve = "prime256v1";
    if (OBJ_txt2nid(curve) == NID_undef || (key = EVP_EC_gen(curve)) == NULL)
        error_set(error, "Unsupported curve: %s: secp256r1, secp384r1 or secp521r1 are wanted", curve);
    ERR_clear_error();
    return key;
}

bool tls_generate_key(const char *algorithm, const char *size, struct text *key, struct error *error)
{
    EVP_PKEY *made = NULL;
    BIO *bio;
    bool good;

    if (strcmp(algorithm, "rsa") == 0)
        made = make_rsa(size, error);
    else if (strcmp(algorithm, "ecdsa") == 0)
        made = make_ec(size, error);
    else
        error_set(error, "Unsupported public key algorithm: %s", algorithm);
    if (made == NULL)
        return false;
    bio = BIO_new(BIO_s_mem());
    good = PEM_write_bio_PrivateKey(bio, made, NULL, NULL, 0, NULL, NULL) == 1;
    EVP_PKEY_free(made);
    return keep(bio, good, key, error);
}

static const char *algorithm_of(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "RSA") ? "rsa" : EVP_PKEY_is_a(key, "EC") ? "ecdsa" : EVP_PKEY_get0_type_name(key);
}

const char *tls_key_algorithm(const struct text *key, const char *file, struct error *error)
{
    EVP_PKEY *read = read_key(key, file, error);
    const char *algorithm = read != NULL ? algorithm_of(read) : NULL;

    EVP_PKEY_free(read);
    return algorithm;
}

/* ---- what certificates and requests say ---- */

static char *alternative_names(const char *const *hosts)
{
    struct text names = {0};

    for (size_t i = 0; hosts[i] != NULL; i++)
        text_append_format(&names, "%sDNS:%s", i > 0 ? "," : "", hosts[i]);
    return text_take(&names);
}

static bool add_extension(STACK_OF(X509_EXTENSION) **extensions, X509V3_CTX *context, int kind, const char *value)
{
    X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, context, kind, (char *)value);
    bool added = made != NULL && X509v3_add_ext(extensions, made, -1) != NULL;

    X509_EXTENSION_free(made);
    return added;
}

static bool add_extensions(STACK_OF(X509_EXTENSION) **extensions, X509V3_CTX *context, const char *const *hosts)
{
    char *names = alternative_names(hosts);
    bool good = add_extension(extensions, context, NID_basic_constraints, "CA:FALSE") &&
                add_extension(extensions, context, NID_subject_key_identifier, "hash") &&
                add_extension(extensions, context, NID_ext_key_usage, "serverAuth,clientAuth") &&
                add_extension(extensions, context, NID_subject_alt_name, names);

    free(names);
    return good;
}

/* A random serial number, the host's name twice, the years. */
static bool fill_certificate(X509 *certificate, EVP_PKEY *key, const char *host)
{
    BIGNUM *serial = BN_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    bool good = BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL &&
                X509_set_version(certificate, X509_VERSION_3) == 1 &&
                X509_time_adj_ex(X509_getm_notBefore(certificate), 0, 0, NULL) != NULL &&
                X509_time_adj_ex(X509_getm_notAfter(certificate), YEARS * DAYS_A_YEAR + 25, 0, NULL) != NULL &&
                X509_set_pubkey(certificate, key) == 1;

    BN_free(serial);
    if (strlen(host) <= 64) /* longer ones stand in the alternative names only */
        good = good && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)host, -1, -1, 0) == 1;
    return good && X509_set_issuer_name(certificate, name) == 1;
}

bool tls_generate_certificate(const struct text *key, const char *const *hosts, struct text *certificate,
                              struct error *error)
{
    EVP_PKEY *own = read_key(key, "the new one", error);
    X509 *made = X509_new();
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    X509V3_CTX context;
    struct error ignored;
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = own != NULL && fill_certificate(made, own, hosts[0]);

    X509V3_set_ctx(&context, made, made, NULL, NULL, 0);
    good = good && add_extensions(&extensions, &context, hosts);
    for (int i = 0; good && i < sk_X509_EXTENSION_num(extensions); i++)
        good = X509_add_ext(made, sk_X509_EXTENSION_value(extensions, i), -1) == 1;
    good = good && X509_sign(made, own, EVP_sha256()) > 0 && PEM_write_bio_X509(bio, made) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_free(made);
    EVP_PKEY_free(own);
    return keep(bio, good, certificate, own != NULL ? error : &ignored) && own != NULL;
}

bool tls_generate_request(const struct text *key, const char *const *hosts, struct text *request, struct error *error)
{
    EVP_PKEY *own = read_key(key, "the one named", error);
    X509_REQ *made = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    X509V3_CTX context;
    struct error ignored;
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = own != NULL && X509_REQ_set_version(made, X509_REQ_VERSION_1) == 1 && X509_REQ_set_pubkey(made, own) == 1;

    X509V3_set_ctx(&context, NULL, NULL, made, NULL, 0);
    good = good && add_extensions(&extensions, &context, hosts) && X509_REQ_add_extensions(made, extensions) == 1 &&
           X509_REQ_sign(made, own, EVP_sha256()) > 0 && PEM_write_bio_X509_REQ(bio, made) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(made);
    EVP_PKEY_free(own);
    return keep(bio, good, request, own != NULL ? error : &ignored) && own != NULL;
}

bool tls_generate_tlsa(const struct text *key, const char *file, struct text *data, struct error *error)
{
    EVP_PKEY *own = read_key(key, file, error);
    unsigned char *bytes = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int length;

    if (own == NULL)
        return false;
    length = i2d_PUBKEY(own, &bytes);
    EVP_PKEY_free(own);
    if (length > 0)
        EVP_Digest(bytes, (size_t)length, digest, &size, EVP_sha256(), NULL);
    OPENSSL_free(bytes);
    text_clear(data);
    for (unsigned i = 0; i < size; i++)
        text_append_format(data, "%02x", digest[i]);
    return size > 0 || tls_error_take(error, "public key");
}

/* ---- reading ---- */

bool tls_certificate_read(const struct text *certificates, const char *file, struct tls_certificate_summary *summary,
                          struct error *error)
{
    BIO *bio = BIO_new_mem_buf(text_string(certificates), (int)certificates->length);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, (void *)"");
    struct tm until;
    int days = 0, seconds;

    BIO_free(bio);
    ERR_clear_error();
    if (certificate == NULL)
        return error_set(error, "no certificate found in file: %s", file);
    snprintf(summary->algorithm, sizeof summary->algorithm, "%s", algorithm_of(X509_get0_pubkey(certificate)));
    X509_NAME_oneline(X509_get_subject_name(certificate), summary->subject, sizeof summary->subject);
    string_printable(summary->subject, true);
    ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until);
    strftime(summary->until, sizeof summary->until, "%Y-%m-%d", &until);
    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate));
    summary->days = days;
    X509_free(certificate);
    return true;
}
