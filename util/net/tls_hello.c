/* What a server looks up for a client hello: keys by the name that the client asks for, a session by its ID. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/tls_internal.h"

enum { ID_TEXT = 2 * SSL_MAX_SSL_SESSION_ID_LENGTH + 1 };

/* The host name of a server_name extension (RFC 6066 section 3): a list of one entry of type 0. */
static char *read_server_name(SSL *ssl)
{
    const unsigned char *bytes;
    size_t length, name_length;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &length) != 1 || length < 5)
        return NULL;
    name_length = (size_t)bytes[3] << 8 | bytes[4];
    if (bytes[2] != TLSEXT_NAMETYPE_host_name || name_length + 5 != length || name_length == 0 || name_length > 255 ||
        memchr(bytes + 5, '\0', name_length) != NULL)
        return NULL;
    return memory_copy_bytes((const char *)bytes + 5, name_length);
}

static void print_id(const unsigned char *id, size_t length, char text[ID_TEXT])
{
    *text = '\0';
    for (size_t i = 0; i < length && i < SSL_MAX_SSL_SESSION_ID_LENGTH; i++)
        sprintf(text + 2 * i, "%02X", id[i]);
}

/* The ID of a session to resume: of TLS 1.2 and before, where the client has no ticket for it. */
static char *read_session_id(SSL *ssl)
{
    const unsigned char *bytes;
    size_t length;
    char text[ID_TEXT];

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &bytes, &length) == 1 ||
        (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &bytes, &length) == 1 && length > 0))
        return NULL;
    length = SSL_client_hello_get0_session_id(ssl, &bytes);
    print_id(bytes, length, text);
    return length > 0 ? memory_copy_string(text) : NULL;
}

static int client_hello(SSL *ssl, int *alert, void *argument)
{
    struct tls *tls = SSL_get_app_data(ssl);

    (void)argument;
    if (tls->refused) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (tls->hello_seen)
        return SSL_CLIENT_HELLO_SUCCESS;
    tls->hello_seen = true;
    if (tls->handshake->sni != NULL)
        tls->asked_name = read_server_name(ssl);
    if (tls->handshake->find_session != NULL)
        tls->asked_session = read_session_id(ssl);
    return tls->asked_name != NULL || tls->asked_session != NULL ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS;
}

/* Without this the extension is not acknowledged. */
static int acknowledge_name(SSL *ssl, int *alert, void *argument)
{
    struct tls *tls = SSL_get_app_data(ssl);

    (void)alert, (void)argument;
    return tls->name_served ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* ---- sessions ---- */

static SSL_SESSION *give_session(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    struct tls *tls = SSL_get_app_data(ssl);
    SSL_SESSION *found = tls->found;

    (void)id, (void)length;
    tls->found = NULL; /* OpenSSL's from now on */
    *copy = 0;
    return found;
}

static int take_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);
    unsigned length;

    SSL_SESSION_get_id(session, &length);
    if (tls->handshake == NULL || tls->handshake->keep_session == NULL || SSL_version(ssl) >= TLS1_3_VERSION || length == 0 ||
        SSL_SESSION_has_ticket(session) || tls->made != NULL)
        return 0;
    tls->made = session;
    return 1; /* keeps the reference */
}

static void find_session(struct tls *tls)
{
    const struct tls_handshake *handshake = tls->handshake;
    struct text bytes = {0};
    const unsigned char *at;

    if (tls->log_level >= TLS_LOG_STEPS)
        log_info(NULL, "%s: looking up session %s in smtpd cache", tls->peer, tls->asked_session);
    if (handshake->find_session(handshake->sessions_context, tls->asked_session, &bytes)) {
        at = (const unsigned char *)bytes.data;
        tls->found = d2i_SSL_SESSION(NULL, &at, (long)bytes.length);
    }
    if (tls->found != NULL && tls->log_level >= TLS_LOG_STEPS)
        log_info(NULL, "%s: reloaded session %s from smtpd cache", tls->peer, tls->asked_session);
    text_wipe(&bytes);
}

void tls_hello_keep(struct tls *tls)
{
    const struct tls_handshake *handshake = tls->handshake;
    unsigned char *bytes = NULL;
    char id[ID_TEXT];
    unsigned id_length;
    const unsigned char *id_bytes;
    int length;

    if (tls->made == NULL)
        return;
    id_bytes = SSL_SESSION_get_id(tls->made, &id_length);
    print_id(id_bytes, id_length, id);
    length = i2d_SSL_SESSION(tls->made, &bytes);
    if (tls->log_level >= TLS_LOG_STEPS)
        log_info(NULL, "%s: save session %s to smtpd cache", tls->peer, id);
    if (length > 0)
        handshake->keep_session(handshake->sessions_context, id, bytes, (size_t)length);
    if (bytes != NULL)
        OPENSSL_clear_free(bytes, (size_t)length);
    SSL_SESSION_free(tls->made);
    tls->made = NULL;
}

/* ---- both ---- */

void tls_hello_attach(SSL_CTX *context)
{
    SSL_CTX_set_client_hello_cb(context, client_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, acknowledge_name);
    SSL_CTX_sess_set_get_cb(context, give_session);
    SSL_CTX_sess_set_new_cb(context, take_session);
}

/* With `refused` the handshake goes on to its alert. */
static bool choose_credentials(struct tls *tls, struct error *error)
{
    const struct tls_handshake *handshake = tls->handshake;
    struct tls_credentials *chosen = handshake->sni(handshake->sni_context, tls->asked_name, &tls->refused);

    tls->name_served = chosen != NULL;
    return chosen == NULL || tls_credentials_use(chosen, tls->ssl, error);
}

bool tls_hello_look_up(struct tls *tls, struct error *error)
{
    if (tls->asked_session != NULL)
        find_session(tls);
    return tls->asked_name == NULL || choose_credentials(tls, error);
}
