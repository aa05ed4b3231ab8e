/* Who the peer is. The handshake itself refuses nobody: what was found out is the caller's to judge. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "util/net/tls_internal.h"

static int look_at_certificate(int good, X509_STORE_CTX *verification)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);

    tls_trace_certificate(tls, verification, good);
    return 1;
}

/* ---- before the handshake ---- */

static bool enable_dane(struct tls *tls, struct error *error)
{
    if (SSL_dane_enable(tls->ssl, tls->handshake->server_name) <= 0)
        return tls_error_take(error, "DANE");
    SSL_set1_host(tls->ssl, NULL); /* names are compared here, as Postfix's users know it */
    SSL_dane_set_flags(tls->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    return true;
}

static bool add_record(SSL *ssl, const struct tls_tlsa *record)
{
    bool added = tls_tlsa_usable(record) && SSL_dane_tlsa_add(ssl, record->usage, record->selector, record->matching_type,
                                                              record->data, record->length) > 0;

    ERR_clear_error();
    return added;
}

bool tls_context_takes_tlsa(const struct tls_context *context, const struct tls_tlsa *record)
{
    SSL *ssl = SSL_new(context->ssl);
    bool taken = ssl != NULL && SSL_dane_enable(ssl, NULL) > 0 && add_record(ssl, record);

    SSL_free(ssl);
    ERR_clear_error();
    return taken;
}

static bool add_tlsa(struct tls *tls, const struct tls_match *match, struct error *error)
{
    size_t usable = 0;

    for (size_t i = 0; i < match->tlsa_count; i++)
        usable += add_record(tls->ssl, &match->tlsa[i]);
    return usable > 0 || error_set(error, "no usable TLSA records");
}

/* An anchor is a record of usage 2 with the whole certificate or key. */
static bool add_anchor_bytes(struct tls *tls, uint8_t selector, unsigned char *bytes, int length)
{
    bool added = length > 0 && SSL_dane_tlsa_add(tls->ssl, 2, selector, 0, bytes, (size_t)length) > 0;

    OPENSSL_free(bytes);
    return added;
}

static size_t add_anchors(struct tls *tls, const char *pem)
{
    BIO *text = BIO_new_mem_buf(pem, -1);
    char *kind, *header;
    unsigned char *bytes;
    long length;
    size_t added = 0;

    while (PEM_read_bio(text, &kind, &header, &bytes, &length) == 1) {
        if (strcmp(kind, PEM_STRING_X509) == 0)
            added += add_anchor_bytes(tls, 0, OPENSSL_memdup(bytes, (size_t)length), (int)length);
        else if (strcmp(kind, PEM_STRING_PUBLIC) == 0)
            added += add_anchor_bytes(tls, 1, OPENSSL_memdup(bytes, (size_t)length), (int)length);
        OPENSSL_free(bytes);
        OPENSSL_free(kind);
        OPENSSL_free(header);
    }
    ERR_clear_error();
    BIO_free(text);
    return added;
}

static bool add_all_anchors(struct tls *tls, const struct tls_match *match, struct error *error)
{
    size_t added = 0;

    if (!enable_dane(tls, error))
        return false;
    for (size_t i = 0; match->anchors[i] != NULL; i++)
        added += add_anchors(tls, match->anchors[i]);
    return added > 0 || error_set(error, "no trust anchors");
}

static bool begin_client(struct tls *tls, struct error *error)
{
    const struct tls_match *match = tls->handshake->match;

    if (match == NULL)
        return true;
    if (match->by == TLS_MATCH_DANE)
        return enable_dane(tls, error) && add_tlsa(tls, match, error);
    return match->anchors == NULL || add_all_anchors(tls, match, error);
}

bool tls_verify_begin(struct tls *tls, struct error *error)
{
    int mode = SSL_VERIFY_PEER;

    if (tls->context->server && tls->handshake->ask == TLS_ASK_NOT)
        mode = SSL_VERIFY_NONE;
    else if (tls->context->server)
        mode |= SSL_VERIFY_CLIENT_ONCE | (tls->handshake->ask == TLS_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_set_verify(tls->ssl, mode, look_at_certificate);
    return tls->context->server || begin_client(tls, error);
}

/* ---- afterwards: names ---- */

static bool one_of(const char *presented, const struct tls_match *match)
{
    for (size_t i = 0; match->names != NULL && match->names[i] != NULL; i++)
        if (tls_match_name(presented, match->names[i], match->many_labels))
            return true;
    return false;
}

/* The first DNS name of the certificate that matches; its common name counts when it has no DNS names at all (RFC 6125
 * section 6.4.4). "": none does. */
static const char *matching_name(X509 *certificate, const struct tls_match *match, struct arena *arena,
                                 const char *common_name)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const char *found = "";
    bool any = false;

    for (int i = 0; *found == '\0' && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const unsigned char *bytes;
        size_t length;
        const char *presented;

        if (name->type != GEN_DNS)
            continue;
        any = true;
        bytes = ASN1_STRING_get0_data(name->d.dNSName);
        length = (size_t)ASN1_STRING_length(name->d.dNSName);
        if (length > 255 || memchr(bytes, '\0', length) != NULL)
            continue;
        presented = string_printable(arena_copy_bytes(arena, (const char *)bytes, length), false);
        if (one_of(presented, match))
            found = presented;
    }
    GENERAL_NAMES_free(names);
    return any ? found : one_of(common_name, match) ? common_name : "";
}

static const char *matching_fingerprint(const struct tls_match *match, const struct tls_peer *peer)
{
    for (size_t i = 0; match->fingerprints != NULL && match->fingerprints[i] != NULL; i++) {
        if (string_equal_ignore_case(match->fingerprints[i], peer->certificate_fingerprint))
            return peer->certificate_fingerprint;
        if (string_equal_ignore_case(match->fingerprints[i], peer->key_fingerprint))
            return peer->key_fingerprint;
    }
    return "";
}

/* Which record made the chain good: one for the server's own certificate or key asks for no name. */
static bool by_end_entity(const struct tls *tls)
{
    uint8_t usage = 0;

    return SSL_get0_dane_tlsa(tls->ssl, &usage, NULL, NULL, NULL, NULL) >= 0 && usage == 3;
}

/* The certificate or its key is what the record says. */
static bool is_named_by(X509 *certificate, const struct tls_tlsa *record)
{
    static const char *const digests[] = {NULL, "sha256", "sha512"};
    unsigned char *bytes = NULL, digest[EVP_MAX_MD_SIZE];
    int length = record->selector == 0 ? i2d_X509(certificate, &bytes)
                                       : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
    const char *name = digests[record->matching_type];
    unsigned digest_length = 0;
    bool same = false;

    if (length > 0 && name == NULL)
        same = record->length == (size_t)length && memcmp(record->data, bytes, record->length) == 0;
    else if (length > 0 && EVP_Digest(bytes, (size_t)length, digest, &digest_length, EVP_get_digestbyname(name), NULL) == 1)
        same = record->length == digest_length && memcmp(record->data, digest, digest_length) == 0;
    OPENSSL_free(bytes);
    return same;
}

/* A session was found good by its records, or it would not be trusted. But a chain that is good for one of usage 2 says
 * nothing yet of the name: whose session it is has to be seen again. */
static bool resumed_by_end_entity(const struct tls *tls)
{
    const struct tls_match *match = tls->handshake->match;
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);

    for (size_t i = 0; i < match->tlsa_count; i++)
        if (match->tlsa[i].usage == 3 && tls_tlsa_usable(&match->tlsa[i]) && is_named_by(certificate, &match->tlsa[i]))
            return true;
    return false;
}

static const char *name_of(const struct tls *tls, struct arena *arena, const struct tls_peer *peer)
{
    return matching_name(SSL_get0_peer_certificate(tls->ssl), tls->handshake->match, arena, peer->subject_cn);
}

static const char *matched(const struct tls *tls, struct arena *arena, struct tls_peer *peer)
{
    const struct tls_match *match = tls->handshake->match;
    bool trusted = peer->trust == TLS_TRUSTED;

    switch (match->by) {
    case TLS_MATCH_FINGERPRINT: return matching_fingerprint(match, peer);
    case TLS_MATCH_DANE:
        if (trusted && (peer->resumed ? resumed_by_end_entity(tls) : by_end_entity(tls)))
            return "TLSA";
        break;
    case TLS_MATCH_NAMES: break;
    default: return "";
    }
    if (trusted)
        peer->matched_name = name_of(tls, arena, peer);
    return peer->matched_name;
}

static const char *without_colons(const char *fingerprint, struct arena *arena)
{
    char *plain = arena_copy(arena, fingerprint), *end = plain;

    for (const char *c = fingerprint; *c != '\0'; c++)
        if (*c != ':')
            *end++ = *c;
    *end = '\0';
    return plain;
}

/* What shows that it is who it says, as Postfix words it. A resumed session brings no certificate along. */
static const char *proof(const struct tls *tls, const char *found, struct arena *arena)
{
    const struct tls_match *match = tls->handshake->match;
    struct tls_tlsa record;
    int depth;

    if (match->by == TLS_MATCH_FINGERPRINT)
        return arena_format(arena, "Matched fingerprint: %s", without_colons(found, arena));
    depth = SSL_get0_dane_tlsa(tls->ssl, &record.usage, &record.selector, &record.matching_type, &record.data, &record.length);
    if (depth < 0)
        return "";
    if (match->by != TLS_MATCH_DANE)
        return arena_format(arena, "Matched trust anchor at depth %d", depth);
    return arena_format(arena, "Matched DANE %s certificate at depth %d: %s", record.usage == 3 ? "EE" : "TA", depth,
                        tls_tlsa_print(&record, arena));
}

/* ---- afterwards: trust ---- */

static enum tls_verify_reason reason_of(long status)
{
    switch (status) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return TLS_REASON_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return TLS_REASON_UNTRUSTED_ISSUER;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED: return TLS_REASON_DATES;
    case X509_V_ERR_HOSTNAME_MISMATCH: return TLS_REASON_NAME;
    default: return TLS_REASON_OTHER;
    }
}

static void distrust(struct tls_peer *peer, long status)
{
    peer->trust = TLS_UNTRUSTED;
    peer->verify_code = (int)status;
    peer->verify_reason = reason_of(status);
    peer->verify_error = X509_verify_cert_error_string(status);
}

void tls_verify_end(struct tls *tls, struct arena *arena, struct tls_peer *peer)
{
    const struct tls_match *match = tls->handshake->match;
    long status = SSL_get_verify_result(tls->ssl);

    peer->trust = peer->certificate ? TLS_TRUSTED : TLS_ANONYMOUS;
    if (peer->certificate && status != X509_V_OK)
        distrust(peer, status);
    if (tls->context->server || match == NULL || !peer->certificate)
        return;
    peer->matched = matched(tls, arena, peer);
    if (*peer->matched != '\0') {
        peer->trust = TLS_VERIFIED;
        peer->proof = proof(tls, peer->matched, arena);
    } else if (match->by == TLS_MATCH_FINGERPRINT) {
        distrust(peer, X509_V_ERR_DANE_NO_MATCH);
    } else if (peer->trust == TLS_TRUSTED && match->by != TLS_MATCH_TRUST) {
        distrust(peer, X509_V_ERR_HOSTNAME_MISMATCH);
    } else if (match->by == TLS_MATCH_NAMES && status == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN &&
               *name_of(tls, arena, peer) == '\0') {
        distrust(peer, X509_V_ERR_HOSTNAME_MISMATCH); /* to trust that CA would not help */
    }
}
