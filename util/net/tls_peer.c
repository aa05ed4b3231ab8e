/* What a handshake agreed on, in Postfix's words. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "util/net/tls_internal.h"

/* ---- names ---- */

/* A common name that may be logged and looked up: UTF-8 without NUL or control characters. */
static const char *common_name(X509_NAME *name, struct arena *arena)
{
    int at = -1;
    const char *found = "";

    for (int next; (next = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;)
        at = next; /* the most specific one, the last */
    if (at >= 0) {
        unsigned char *bytes = NULL;
        int length = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));

        if (length > 0 && length <= 255 && memchr(bytes, '\0', (size_t)length) == NULL &&
            string_valid_utf8((const char *)bytes, (size_t)length))
            found = string_printable(arena_copy_bytes(arena, (const char *)bytes, (size_t)length), true);
        OPENSSL_free(bytes);
    }
    return found;
}

static const char *whole_name(X509_NAME *name, struct arena *arena)
{
    char *line = X509_NAME_oneline(name, NULL, 0);
    const char *copy = line != NULL ? string_printable(arena_copy(arena, line), true) : "";

    OPENSSL_free(line);
    return copy;
}

static void describe_issuer(X509 *certificate, struct arena *arena, struct tls_peer *peer)
{
    X509_NAME *issuer = X509_get_issuer_name(certificate);
    int at = X509_NAME_get_index_by_NID(issuer, NID_organizationName, -1);

    peer->issuer = whole_name(issuer, arena);
    peer->issuer_cn = common_name(issuer, arena);
    if (*peer->issuer_cn == '\0' && at >= 0) { /* an old CA's: its organization */
        unsigned char *bytes = NULL;
        int length = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(issuer, at)));

        if (length > 0 && memchr(bytes, '\0', (size_t)length) == NULL)
            peer->issuer_cn = string_printable(arena_copy_bytes(arena, (const char *)bytes, (size_t)length), true);
        OPENSSL_free(bytes);
    }
}

static const char *fingerprint(const struct tls_context *context, unsigned char *bytes, int length, struct arena *arena)
{
    struct text text = {0};
    const char *copy = "";

    if (length > 0 && tls_fingerprint(context->digest, bytes, (size_t)length, &text))
        copy = arena_copy(arena, text.data);
    text_free(&text);
    OPENSSL_free(bytes);
    return copy;
}

static const char *certificate_fingerprint(const struct tls_context *context, X509 *certificate, struct arena *arena)
{
    unsigned char *bytes = NULL;
    int length = i2d_X509(certificate, &bytes);

    return fingerprint(context, bytes, length, arena);
}

static const char *key_fingerprint(const struct tls_context *context, X509 *certificate, struct arena *arena)
{
    unsigned char *bytes = NULL;
    int length = context->legacy_key_fingerprints ? i2d_PublicKey(X509_get0_pubkey(certificate), &bytes)
                                                  : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);

    return fingerprint(context, bytes, length, arena);
}

static void describe_certificate(const struct tls *tls, X509 *certificate, struct arena *arena, struct tls_peer *peer)
{
    peer->certificate = true;
    peer->subject = whole_name(X509_get_subject_name(certificate), arena);
    peer->subject_cn = common_name(X509_get_subject_name(certificate), arena);
    describe_issuer(certificate, arena, peer);
    peer->certificate_fingerprint = certificate_fingerprint(tls->context, certificate, arena);
    peer->key_fingerprint = key_fingerprint(tls->context, certificate, arena);
}

/* ---- the chain ---- */

static const char *pem_text(X509 *certificate, struct arena *arena)
{
    BIO *memory = BIO_new(BIO_s_mem());
    const char *copy = "";
    char *bytes;

    if (memory != NULL && PEM_write_bio_X509(memory, certificate) == 1) {
        long length = BIO_get_mem_data(memory, &bytes);

        copy = arena_copy_bytes(arena, bytes, (size_t)length);
    }
    BIO_free(memory);
    return copy;
}

static void describe_chain(const struct tls *tls, struct arena *arena, struct tls_peer *peer)
{
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls->ssl);
    int count = chain != NULL ? sk_X509_num(chain) : 0;
    struct tls_certificate *certificates = arena_alloc(arena, (size_t)(count + 1) * sizeof *certificates);

    if (count > 0)
        peer->unknown_issuer = whole_name(X509_get_issuer_name(sk_X509_value(chain, count - 1)), arena);
    if (!tls->handshake->keep_chain)
        return;
    for (int i = 0; i < count; i++) {
        X509 *certificate = sk_X509_value(chain, i);

        certificates[i] = (struct tls_certificate){
            .subject = whole_name(X509_get_subject_name(certificate), arena),
            .issuer = whole_name(X509_get_issuer_name(certificate), arena),
            .fingerprint = certificate_fingerprint(tls->context, certificate, arena),
            .key_fingerprint = key_fingerprint(tls->context, certificate, arena),
            .pem = pem_text(certificate, arena),
        };
    }
    peer->chain = certificates;
    peer->chain_length = (size_t)count;
}

/* ---- key exchange and signatures: TLS 1.3 only, where the cipher's name does not say them ---- */

static void append_key(struct text *text, EVP_PKEY *key, const char *name)
{
    char group[64];
    size_t length;

    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1)
        text_append_format(text, "%s (%s)", name, group);
    else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS") || EVP_PKEY_is_a(key, "DH"))
        text_append_format(text, "%s (%d bits)", name, EVP_PKEY_get_bits(key));
    else
        text_append(text, name);
}

static void append_exchange(const struct tls *tls, struct text *text)
{
    EVP_PKEY *key = NULL;
    char group[64];
    size_t length;

    if (SSL_get_peer_tmp_key(tls->ssl, &key) != 1 || key == NULL)
        return;
    text_append(text, "key-exchange ");
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1)
        text_append_format(text, "ECDHE (%s)", group);
    else if (EVP_PKEY_is_a(key, "DH"))
        append_key(text, key, EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 ? group : "DHE");
    else
        text_append(text, EVP_PKEY_get0_type_name(key));
    EVP_PKEY_free(key);
}

static const char *signature_name(EVP_PKEY *key, int type)
{
    switch (type) {
    case EVP_PKEY_EC: return "ECDSA";
    case EVP_PKEY_RSA_PSS: return "RSA-PSS";
    default: return EVP_PKEY_get0_type_name(key);
    }
}

/* A resumed session has no signature: what kind the key makes is all there is to say. */
static void append_signature(struct text *text, const char *side, EVP_PKEY *key, int type, int digest)
{
    if (key == NULL)
        return;
    if (type == NID_undef)
        type = EVP_PKEY_is_a(key, "RSA") ? EVP_PKEY_RSA_PSS : EVP_PKEY_get_base_id(key);
    text_append_format(text, " %s-signature ", side);
    append_key(text, key, signature_name(key, type));
    if (digest != NID_undef)
        text_append_format(text, " %s-digest %s", side, OBJ_nid2sn(digest));
}

static const char *details(const struct tls *tls, X509 *certificate, struct arena *arena)
{
    EVP_PKEY *own = SSL_get_privatekey(tls->ssl), *theirs = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;
    bool server = tls->context->server;
    int own_type = NID_undef, own_digest = NID_undef, type = NID_undef, digest = NID_undef;
    struct text text = {0};
    const char *copy;

    if (SSL_version(tls->ssl) < TLS1_3_VERSION)
        return "";
    append_exchange(tls, &text);
    SSL_get_signature_type_nid(tls->ssl, &own_type);
    SSL_get_signature_nid(tls->ssl, &own_digest);
    if (!server && own_digest == NID_undef)
        own = NULL; /* the server asked for none */
    SSL_get_peer_signature_type_nid(tls->ssl, &type);
    SSL_get_peer_signature_nid(tls->ssl, &digest);
    append_signature(&text, "server", server ? own : theirs, server ? own_type : type, server ? own_digest : digest);
    append_signature(&text, "client", server ? theirs : own, server ? type : own_type, server ? digest : own_digest);
    copy = arena_copy(arena, text_string(&text));
    text_free(&text);
    ERR_clear_error();
    return copy;
}

void tls_peer_describe(struct tls *tls, struct arena *arena, struct tls_peer *peer)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    const char *name = tls->context->server ? (tls->name_served ? tls->asked_name : NULL) : tls->handshake->server_name;

    *peer = (struct tls_peer){.verify_error = "", .subject = "", .issuer = "", .subject_cn = "", .issuer_cn = "",
                              .certificate_fingerprint = "", .key_fingerprint = "", .matched = "", .matched_name = "",
                              .proof = "", .unknown_issuer = ""};
    peer->protocol = SSL_get_version(tls->ssl);
    peer->cipher = SSL_CIPHER_get_name(cipher);
    peer->cipher_bits = SSL_CIPHER_get_bits(cipher, &peer->algorithm_bits);
    peer->agreed = arena_format(arena, "%s with cipher %s (%d/%d bits)", peer->protocol, peer->cipher, peer->cipher_bits,
                                peer->algorithm_bits);
    peer->details = details(tls, certificate, arena);
    peer->resumed = SSL_session_reused(tls->ssl) == 1;
    peer->asked = tls->context->server && tls->handshake->ask != TLS_ASK_NOT;
    peer->server_name = name != NULL ? arena_copy(arena, name) : "";
    if (certificate != NULL)
        describe_certificate(tls, certificate, arena, peer);
    if (!tls->context->server)
        describe_chain(tls, arena, peer);
    if (tls->handshake->bind)
        tls_bind(tls, peer);
    tls_verify_end(tls, arena, peer);
    peer->trust_word = (const char *const[]){"Anonymous", "Untrusted", "Trusted", "Verified"}[peer->trust];
}
