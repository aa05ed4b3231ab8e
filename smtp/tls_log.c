/* What is logged about a handshake. The words are those that people's scripts know from Postfix. */
#include "smtp/tls.h"
#include "util/base/log.h"

void smtp_tls_log_failure(const struct smtp_session *session, enum tls_result result, const struct error *error)
{
    switch (result) {
    case TLS_TIMEOUT: log_info(NULL, "SSL_connect error to %s: Connection timed out", session->relay); break;
    case TLS_LOST: log_info(NULL, "SSL_connect error to %s: lost connection", session->relay); break;
    case TLS_FAILED:
        log_info(NULL, "SSL_connect error to %s: -1", session->relay);
        log_warning(NULL, "TLS library problem: %s", error->text);
        break;
    default: break;
    }
}

void smtp_tls_log_distrust(const struct smtp_session *session, const struct tls_peer *peer)
{
    const char *relay = session->relay;

    if (!peer->certificate)
        return;
    if (peer->resumed) {
        log_info(NULL, "%s: re-using session with untrusted certificate, look for details earlier in the log", relay);
        return;
    }
    switch (peer->verify_reason) {
    case TLS_REASON_SELF_SIGNED:
        log_info(NULL, "certificate verification failed for %s: self-signed certificate", relay);
        break;
    case TLS_REASON_UNTRUSTED_ISSUER:
        log_info(NULL, "certificate verification failed for %s: untrusted issuer %s", relay, peer->unknown_issuer);
        break;
    case TLS_REASON_DATES:
        log_info(NULL, "server certificate verification failed for %s: %s", relay, peer->verify_error);
        break;
    default:
        log_info(NULL, "server certificate verification failed for %s: num=%d:%s", relay, peer->verify_code,
                 peer->verify_error);
    }
}

void smtp_tls_log_agreed(const struct smtp_session *session, const struct tls_peer *peer)
{
    log_info(NULL, "%s TLS connection established to %s: %s%s%s", peer->trust_word, session->relay, peer->agreed,
             *peer->details != '\0' ? " " : "", peer->details);
}
