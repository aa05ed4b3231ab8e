#include <errno.h>
#include <limits.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/tls_internal.h"

/* ---- the library ---- */

bool tls_library_start(const char *config_file, const char *config_name, struct error *error)
{
    OPENSSL_INIT_SETTINGS *settings = OPENSSL_INIT_new();
    bool none = strcmp(config_file, "none") == 0, other = !none && strcmp(config_file, "default") != 0;
    bool good;

    if (other && *config_file != '/') {
        OPENSSL_INIT_free(settings);
        return error_set(error, "tls_config_file = %s: it is default, none, or a path that begins with /", config_file);
    }
    if (other)
        OPENSSL_INIT_set_config_filename(settings, config_file);
    if (*config_name != '\0')
        OPENSSL_INIT_set_config_appname(settings, config_name);
    /* OpenSSL's own file may be missing or broken; one that was asked for may not. */
    OPENSSL_INIT_set_config_file_flags(settings, other ? 0
                                                      : CONF_MFLAGS_DEFAULT_SECTION | CONF_MFLAGS_IGNORE_MISSING_FILE |
                                                            CONF_MFLAGS_IGNORE_RETURN_CODES);
    good = OPENSSL_init_ssl(none ? OPENSSL_INIT_NO_LOAD_CONFIG : OPENSSL_INIT_LOAD_CONFIG, settings) == 1;
    OPENSSL_INIT_free(settings);
    if (good)
        return true;
    tls_error_take(error, "OpenSSL could not be started");
    return error_prefix(error, "tls_config_file = %s: ", config_file);
}

bool tls_library_has_raw_keys(void)
{
    return OpenSSL_version_num() >= 0x30200000L && OPENSSL_VERSION_NUMBER >= 0x30200000L;
}

/* ---- options ---- */

struct option_name {
    const char *name;
    uint64_t bits;
};

static const struct option_name workarounds[] = {
    {"CRYPTOPRO_TLSEXT_BUG", SSL_OP_CRYPTOPRO_TLSEXT_BUG},
    {"DONT_INSERT_EMPTY_FRAGMENTS", SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS},
    {"LEGACY_SERVER_CONNECT", SSL_OP_LEGACY_SERVER_CONNECT},
    {"MICROSOFT_BIG_SSLV3_BUFFER", 0},
    {"MICROSOFT_SESS_ID_BUG", 0},
    {"MSIE_SSLV2_RSA_PADDING", 0},
    {"CVE-2005-2969", 0},
    {"NETSCAPE_CHALLENGE_BUG", 0},
    {"NETSCAPE_REUSE_CIPHER_CHANGE_BUG", 0},
    {"CVE-2010-4180", 0},
    {"SSLEAY_080_CLIENT_DH_BUG", 0},
    {"SSLREF2_REUSE_CERT_TYPE_BUG", 0},
    {"TLS_BLOCK_PADDING_BUG", 0},
    {"TLS_D5_BUG", 0},
    {"TLS_ROLLBACK_BUG", SSL_OP_TLS_ROLLBACK_BUG},
    {"TLSEXT_PADDING", SSL_OP_TLSEXT_PADDING},
    {NULL, 0},
};

static const struct option_name options[] = {
    {"ENABLE_MIDDLEBOX_COMPAT", SSL_OP_ENABLE_MIDDLEBOX_COMPAT},
    {"LEGACY_SERVER_CONNECT", SSL_OP_LEGACY_SERVER_CONNECT},
    {"NO_TICKET", SSL_OP_NO_TICKET},
    {"NO_COMPRESSION", SSL_OP_NO_COMPRESSION},
    {"NO_RENEGOTIATION", SSL_OP_NO_RENEGOTIATION},
    {"NO_SESSION_RESUMPTION_ON_RENEGOTIATION", SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION},
    {"PRIORITIZE_CHACHA", SSL_OP_PRIORITIZE_CHACHA},
    {"NO_ANTI_REPLAY", SSL_OP_NO_ANTI_REPLAY},
    {"CIPHER_SERVER_PREFERENCE", SSL_OP_CIPHER_SERVER_PREFERENCE},
    {"NO_ENCRYPT_THEN_MAC", SSL_OP_NO_ENCRYPT_THEN_MAC},
    {NULL, 0},
};

/* Names between blanks or commas, or one number that starts with 0x. */
static bool read_options(const char *list, const struct option_name *names, const char *parameter, uint64_t *bits,
                         struct error *error)
{
    char *copy, *cursor, *word;
    bool good = true;

    *bits = 0;
    if (string_starts(list, "0x")) {
        *bits = strtoull(list, &cursor, 16);
        return *cursor == '\0' || error_set(error, "%s = %s: not a hexadecimal number", parameter, list);
    }
    copy = cursor = memory_copy_string(list);
    while (good && (word = string_next_word(&cursor, " \t\r\n,")) != NULL) {
        const struct option_name *row = names;

        while (row->name != NULL && !string_equal_ignore_case(row->name, word))
            row++;
        good = row->name != NULL || error_set(error, "%s: unknown name \"%s\"", parameter, word);
        *bits |= row->bits;
    }
    free(copy);
    return good;
}

static bool set_options(SSL_CTX *ssl, const struct tls_settings *settings, struct error *error)
{
    uint64_t without, with;

    if (!read_options(settings->no_workarounds, workarounds, "tls_disable_workarounds", &without, error) ||
        !read_options(settings->options, options, "tls_ssl_options", &with, error))
        return false;
    SSL_CTX_clear_options(ssl, SSL_OP_ALL & without);
    SSL_CTX_set_options(ssl, (SSL_OP_ALL & ~without) | with | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (settings->prefer_own_ciphers)
        SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ssl, 0);
    return true;
}

/* ---- key exchange ---- */

/* A name that this OpenSSL does not know (X25519MLKEM768 before 3.5) is left out, as long as one remains. */
static void append_known_groups(struct text *list, SSL_CTX *ssl, const char *names)
{
    char *copy = memory_copy_string(names), *cursor = copy, *word;

    while ((word = string_next_word(&cursor, " \t\r\n,:")) != NULL) {
        if (SSL_CTX_set1_groups_list(ssl, word) == 1)
            text_append_format(list, "%s%s", list->length > 0 ? ":" : "", word);
        else
            log_warning(NULL, "ignoring unknown key exchange group \"%s\"", word);
        ERR_clear_error();
    }
    free(copy);
}

static bool set_groups(SSL_CTX *ssl, const struct tls_settings *settings, struct error *error)
{
    struct text list = {0};
    bool good = true;

    if (*settings->curves == '\0' && *settings->ffdhe_groups == '\0')
        return true;
    append_known_groups(&list, ssl, settings->curves);
    append_known_groups(&list, ssl, settings->ffdhe_groups);
    if (list.length == 0) {
        log_warning(NULL, "no known key exchange group in \"%s %s\": using X25519 and prime256v1", settings->curves,
                    settings->ffdhe_groups);
        text_append(&list, "X25519:prime256v1");
    }
    if (SSL_CTX_set1_groups_list(ssl, list.data) != 1)
        good = tls_error_take(error, "key exchange groups");
    text_free(&list);
    return good;
}

/* DH parameters that cannot be read are not worth refusing to work: OpenSSL's own are better than most. */
static void set_dh(SSL_CTX *ssl, const char *file)
{
    BIO *text;
    EVP_PKEY *parameters = NULL;

    if (strcmp(file, "none") == 0)
        return;
    SSL_CTX_set_dh_auto(ssl, 1);
    if (*file == '\0' || strcmp(file, "auto") == 0)
        return;
    text = BIO_new_file(file, "r");
    if (text != NULL)
        parameters = PEM_read_bio_Parameters(text, NULL);
    BIO_free(text);
    if (parameters == NULL || SSL_CTX_set0_tmp_dh_pkey(ssl, parameters) != 1) {
        EVP_PKEY_free(parameters);
        log_warning(NULL, "cannot load DH parameters from file %s -- using compiled-in defaults", file);
    } else {
        SSL_CTX_set_dh_auto(ssl, 0);
    }
    ERR_clear_error();
}

/* ---- trust ---- */

static bool set_trust(SSL_CTX *ssl, const struct tls_settings *settings, struct error *error)
{
    const char *file = *settings->ca_file != '\0' ? settings->ca_file : NULL;
    const char *path = *settings->ca_path != '\0' ? settings->ca_path : NULL;

    if ((file != NULL || path != NULL) && SSL_CTX_load_verify_locations(ssl, file, path) != 1) {
        tls_error_take(error, "no certificates");
        return error_prefix(error, "cannot load Certification Authority data, CAfile=\"%s\", CApath=\"%s\": ",
                            settings->ca_file, settings->ca_path);
    }
    if (settings->default_ca && SSL_CTX_set_default_verify_paths(ssl) != 1)
        return tls_error_take(error, "the system's CA certificates");
    if (settings->server && file != NULL) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);

        if (names != NULL)
            SSL_CTX_set_client_CA_list(ssl, names);
    }
    ERR_clear_error();
    SSL_CTX_set_verify_depth(ssl, settings->verify_depth < INT_MAX ? settings->verify_depth + 1 : INT_MAX);
    return true;
}

/* ---- sessions ---- */

static int hand_out_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);
    unsigned char *bytes = NULL;
    int length;

    if (tls->new_session == NULL)
        return 0;
    length = i2d_SSL_SESSION(session, &bytes);
    if (length > 0)
        tls->new_session(tls->session_context, bytes, (size_t)length);
    if (bytes != NULL)
        OPENSSL_clear_free(bytes, (size_t)length);
    return 0; /* not kept by OpenSSL */
}

static void set_sessions(struct tls_context *context, const struct tls_settings *settings)
{
    SSL_CTX *ssl = context->ssl;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size;

    if (!settings->server) {
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ssl, hand_out_session);
        return;
    }
    tls_hello_attach(ssl);
    EVP_Digest(settings->session_context, strlen(settings->session_context), digest, &size, EVP_sha256(), NULL);
    SSL_CTX_set_session_id_context(ssl, digest, size);
    SSL_CTX_set_session_cache_mode(ssl, settings->session_ids ? SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                                                                    SSL_SESS_CACHE_NO_AUTO_CLEAR
                                                              : SSL_SESS_CACHE_OFF);
    if (settings->session_lifetime > 0)
        SSL_CTX_set_timeout(ssl, (long)(settings->session_lifetime / SECONDS));
    if (settings->tickets == NULL || settings->session_lifetime <= 0) {
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl, 0);
        return;
    }
    SSL_CTX_set_num_tickets(ssl, 1);
    tls_tickets_attach(settings->tickets, ssl);
}

/* ---- DANE ---- */

static const struct {
    const char *name, *numbered;
    uint8_t matching_type;
} dane_digests[] = {{"sha256", "sha256=1", 1}, {"sha512", "sha512=2", 2}};
static const size_t dane_digest_count = sizeof dane_digests / sizeof *dane_digests;

static bool add_dane_digest(SSL_CTX *ssl, const char *word, uint8_t rank)
{
    for (size_t i = 0; i < dane_digest_count; i++)
        if (string_equal_ignore_case(word, dane_digests[i].name) || string_equal_ignore_case(word, dane_digests[i].numbered))
            return SSL_CTX_dane_mtype_set(ssl, EVP_get_digestbyname(dane_digests[i].name), dane_digests[i].matching_type,
                                          rank) > 0;
    log_warning(NULL, "tls_dane_digests: ignoring \"%s\": there are sha256 (or sha256=1) and sha512 (or sha512=2)", word);
    return true;
}

/* The matching types of TLSA records, the strongest first (RFC 7671 section 9); one that is not named is not used. */
static bool set_dane(SSL_CTX *ssl, const char *digests, struct error *error)
{
    uint8_t rank = 200;
    char *copy, *cursor, *word;
    bool good = SSL_CTX_dane_enable(ssl) > 0;

    for (size_t i = 0; i < dane_digest_count; i++)
        SSL_CTX_dane_mtype_set(ssl, NULL, dane_digests[i].matching_type, 0);
    copy = cursor = memory_copy_string(digests);
    while ((word = string_next_word(&cursor, " \t\r\n,:")) != NULL)
        good = add_dane_digest(ssl, word, rank--) && good;
    free(copy);
    return good || tls_error_take(error, "DANE");
}

/* ---- contexts ---- */

struct tls_context *tls_context_new(const struct tls_settings *settings, struct error *error)
{
    struct tls_context *context = memory_new(sizeof *context);

    context->ssl = SSL_CTX_new(settings->server ? TLS_server_method() : TLS_client_method());
    context->server = settings->server;
    context->digest = memory_copy_string(settings->digest);
    context->ciphers = settings->ciphers != NULL ? memory_copy_string(settings->ciphers) : NULL;
    context->in_threads = settings->in_threads;
    context->goodbye_limit = settings->goodbye_limit;
    context->legacy_key_fingerprints = settings->legacy_key_fingerprints;
    if (context->ssl == NULL) {
        tls_error_take(error, "OpenSSL");
    } else if (!tls_digest_exists(settings->digest)) {
        error_set(error, "digest algorithm \"%s\" not found", settings->digest);
    } else if (context->ciphers != NULL && SSL_CTX_set_cipher_list(context->ssl, context->ciphers) != 1) {
        tls_error_take(error, "no ciphers");
        error_prefix(error, "%s: ", context->ciphers);
    } else if (set_options(context->ssl, settings, error) && set_groups(context->ssl, settings, error) &&
               set_trust(context->ssl, settings, error) &&
               (settings->dane_digests == NULL || set_dane(context->ssl, settings->dane_digests, error))) {
        if (settings->server)
            set_dh(context->ssl, settings->dh_file);
        set_sessions(context, settings);
        return context;
    }
    tls_context_free(context);
    return NULL;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    tls_credentials_free(context->credentials);
    free(context->digest);
    free(context->ciphers);
    free(context);
}

void tls_context_set_credentials(struct tls_context *context, struct tls_credentials *credentials)
{
    struct tls_credentials *before = context->credentials;

    context->credentials = credentials != NULL ? tls_credentials_share(credentials) : NULL;
    tls_credentials_free(before);
}
