/* Channel bindings: what ties a login to the TLS connection that it is made through. */
#include <openssl/err.h>
#include <openssl/objects.h>
#include <string.h>

#include "util/net/tls_internal.h"

/* RFC 5929 section 4.1: the server's certificate, by its signature's digest; by SHA-256 where that is a weak one. */
static void bind_end_point(const struct tls *tls, struct tls_peer *peer)
{
    X509 *certificate = tls->context->server ? SSL_get_certificate(tls->ssl) : SSL_get0_peer_certificate(tls->ssl);
    const EVP_MD *method = EVP_sha256();
    unsigned size = 0;
    int digest;

    if (certificate == NULL)
        return;
    if (X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) == 1 && digest != NID_undef && digest != NID_md5 &&
        digest != NID_sha1 && EVP_get_digestbynid(digest) != NULL)
        method = EVP_get_digestbynid(digest);
    if (EVP_MD_get_size(method) <= TLS_BINDING_SIZE && X509_digest(certificate, method, peer->end_point, &size) == 1)
        peer->end_point_length = size;
}

/* RFC 9266: what both sides can compute of the session's keys, and nobody else. TLS 1.2 needs the extended master secret
 * for it. */
static void bind_exporter(const struct tls *tls, struct tls_peer *peer)
{
    static const char label[] = "EXPORTER-Channel-Binding";

    if (SSL_version(tls->ssl) < TLS1_3_VERSION && SSL_get_extms_support(tls->ssl) != 1)
        return;
    if (SSL_export_keying_material(tls->ssl, peer->exporter, TLS_EXPORTER_SIZE, label, sizeof label - 1,
                                   (const unsigned char *)"", 0, 1) == 1)
        peer->exporter_length = TLS_EXPORTER_SIZE;
}

void tls_bind(const struct tls *tls, struct tls_peer *peer)
{
    bind_end_point(tls, peer);
    bind_exporter(tls, peer);
    ERR_clear_error();
}
