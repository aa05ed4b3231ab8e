/* What smtpd_tls_loglevel and smtp_tls_loglevel 2 to 4 show. */
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "util/base/log.h"
#include "util/net/tls_internal.h"

static void show_step(const SSL *ssl, int where, int result)
{
    const char *side = (where & SSL_ST_CONNECT) != 0 ? "SSL_connect" : (where & SSL_ST_ACCEPT) != 0 ? "SSL_accept" : "unknown";

    if ((where & SSL_CB_LOOP) != 0) {
        log_info(NULL, "%s:%s", side, SSL_state_string_long(ssl));
    } else if ((where & SSL_CB_ALERT) != 0) {
        if ((result & 0xff) != SSL3_AD_CLOSE_NOTIFY)
            log_info(NULL, "SSL3 alert %s:%s:%s", (where & SSL_CB_READ) != 0 ? "read" : "write",
                     SSL_alert_type_string_long(result), SSL_alert_desc_string_long(result));
    } else if ((where & SSL_CB_EXIT) != 0) {
        if (result == 0)
            log_info(NULL, "%s:failed in %s", side, SSL_state_string_long(ssl));
        else if (result < 0 && !SSL_want_read(ssl) && !SSL_want_write(ssl) && !SSL_want_client_hello_cb(ssl))
            log_info(NULL, "%s:error in %s", side, SSL_state_string_long(ssl));
    }
}

void tls_trace_begin(struct tls *tls)
{
    if (tls->log_level >= TLS_LOG_STEPS)
        SSL_set_info_callback(tls->ssl, show_step);
}

/* "0010 0a 0b ...|..  ........ ........", sixteen bytes a line. */
static void show_line(const unsigned char *bytes, int offset, int count)
{
    char line[80];
    int at = snprintf(line, sizeof line, "%04x ", offset);

    for (int i = 0; i < 16; i++)
        at += i < count ? snprintf(line + at, sizeof line - (size_t)at, "%02x%c", bytes[i], i == 7 && count > 8 ? '|' : ' ')
                        : snprintf(line + at, sizeof line - (size_t)at, "   ");
    line[at++] = ' ';
    for (int i = 0; i < count; i++) {
        if (i == 8)
            line[at++] = ' ';
        line[at++] = ascii_is_printable((char)bytes[i]) ? (char)bytes[i] : '.';
    }
    line[at] = '\0';
    log_info(NULL, "%s", line);
}

void tls_trace_bytes(const struct tls *tls, const char *what, const void *bytes, int length, int result)
{
    if (tls->log_level < (tls->established ? TLS_LOG_DUMP_ALL : TLS_LOG_DUMP_HANDSHAKE))
        return;
    if (result <= 0) {
        log_info(NULL, "%s %s (%d bytes => %d)", what, tls->peer, length, result);
        return;
    }
    log_info(NULL, "%s %s (%d bytes => %d (0x%X))", what, tls->peer, length, result, (unsigned)result);
    for (int offset = 0; offset < result; offset += 16)
        show_line((const unsigned char *)bytes + offset, offset, result - offset < 16 ? result - offset : 16);
}

void tls_trace_certificate(const struct tls *tls, const X509_STORE_CTX *verification, int good)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert((X509_STORE_CTX *)verification);
    char *name;

    if (tls->log_level < TLS_LOG_STEPS)
        return;
    name = certificate != NULL ? X509_NAME_oneline(X509_get_subject_name(certificate), NULL, 0) : NULL;
    log_info(NULL, "%s: depth=%d verify=%d subject=%s", tls->peer,
             X509_STORE_CTX_get_error_depth((X509_STORE_CTX *)verification), good, name != NULL ? name : "");
    OPENSSL_free(name);
}

void tls_log_peer(const char *name, const struct tls_peer *peer)
{
    if (*peer->matched_name != '\0')
        log_info(NULL, "%s: matched peername: %s", name, peer->matched_name);
    if (*peer->proof != '\0')
        log_info(NULL, "%s: %s", name, peer->proof);
    if (peer->certificate)
        log_info(NULL, "%s: subject_CN=%s, issuer_CN=%s, fingerprint=%s, pkey_fingerprint=%s", name, peer->subject_cn,
                 peer->issuer_cn, peer->certificate_fingerprint, peer->key_fingerprint);
}

void tls_trace_peer(const struct tls *tls, const struct tls_peer *peer)
{
    if (tls->log_level < TLS_LOG_STEPS)
        return;
    if (peer->resumed)
        log_info(NULL, "%s: Reusing old session%s", tls->peer, tls->by_ticket ? " (RFC 5077 session ticket)" : "");
    if (!peer->certificate)
        return;
    if (!tls->context->server) {
        tls_log_peer(tls->peer, peer);
        return;
    }
    log_info(NULL, "subject=%s", peer->subject);
    log_info(NULL, "issuer=%s", peer->issuer);
    log_info(NULL, "%s: subject_CN=%s, issuer=%s, fingerprint=%s, pkey_fingerprint=%s", tls->peer, peer->subject_cn,
             peer->issuer_cn, peer->certificate_fingerprint, peer->key_fingerprint);
}
