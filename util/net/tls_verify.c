/* Who the peer is. The handshake itself refuses nobody: what was found out is the caller's to judge. */
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

bool tls_verify_begin(struct tls *tls, struct error *error)
{
    const struct tls_handshake *handshake = tls->handshake;
    int mode = SSL_VERIFY_NONE;

    (void)error;
    if (!tls->context->server)
        mode = SSL_VERIFY_PEER;
    else if (handshake->ask != TLS_ASK_NOT)
        mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE | (handshake->ask == TLS_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_set_verify(tls->ssl, mode, look_at_certificate);
    return true;
}

void tls_verify_end(struct tls *tls, struct arena *arena, struct tls_peer *peer)
{
    long status = SSL_get_verify_result(tls->ssl);

    (void)arena;
    if (!peer->certificate)
        peer->trust = TLS_ANONYMOUS;
    else if (status == X509_V_OK)
        peer->trust = TLS_TRUSTED;
    else {
        peer->trust = TLS_UNTRUSTED;
        peer->verify_error = X509_verify_cert_error_string(status);
    }
}
