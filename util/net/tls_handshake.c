#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/tls_internal.h"
#include "util/task/offload.h"

/* ---- the connection ---- */

static void set_protocols(SSL *ssl, const struct tls_protocols *protocols)
{
    static const struct {
        int version;
        uint64_t option;
    } exclusions[] = {
        {SSL3_VERSION, SSL_OP_NO_SSLv3},     {TLS1_VERSION, SSL_OP_NO_TLSv1},     {TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
        {TLS1_2_VERSION, SSL_OP_NO_TLSv1_2}, {TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
    };

    if (protocols->least != 0)
        SSL_set_min_proto_version(ssl, protocols->least);
    if (protocols->most != 0)
        SSL_set_max_proto_version(ssl, protocols->most);
    for (size_t i = 0; i < sizeof exclusions / sizeof *exclusions; i++)
        if ((protocols->excluded & 1u << (exclusions[i].version - 0x0300)) != 0)
            SSL_set_options(ssl, exclusions[i].option);
}

static struct tls *tls_new(struct tls_context *context, struct stream *stream, const struct tls_handshake *handshake)
{
    struct tls *tls = memory_new(sizeof *tls);
    BIO *bio;

    tls->ssl = SSL_new(context->ssl);
    if (tls->ssl == NULL)
        die("OpenSSL: no memory for a connection");
    tls->stream = stream;
    tls->context = context;
    tls->handshake = handshake;
    tls->peer = memory_copy_string(handshake->peer);
    tls->log_level = handshake->log_level;
    tls->goodbye_limit = tls->context->goodbye_limit;
    tls->new_session = handshake->new_session;
    tls->session_context = handshake->session_context;
    SSL_set_app_data(tls->ssl, tls);
    bio = tls_socket_new(tls);
    SSL_set_bio(tls->ssl, bio, bio);
    set_protocols(tls->ssl, &handshake->protocols);
    return tls;
}

/* To read a list takes long: the context has read its own already. */
static bool set_ciphers(struct tls *tls, struct error *error)
{
    const char *own = tls->context->ciphers, *asked = tls->handshake->ciphers != NULL ? tls->handshake->ciphers : own;

    if (asked == NULL)
        return true;
    if (tls->log_level >= TLS_LOG_STEPS)
        log_info(NULL, "%s: TLS cipher list \"%s\"", tls->peer, asked);
    return (own != NULL && strcmp(asked, own) == 0) || SSL_set_cipher_list(tls->ssl, asked) == 1 ||
           tls_error_take(error, asked);
}

static bool prepare_server(struct tls *tls, struct error *error)
{
    const struct tls_context *context = tls->context;

    SSL_set_accept_state(tls->ssl);
    return context->credentials == NULL || tls_credentials_use(context->credentials, tls->ssl, error);
}

static bool resume(struct tls *tls)
{
    const unsigned char *bytes = tls->handshake->session;
    SSL_SESSION *session;

    if (bytes == NULL)
        return true;
    session = d2i_SSL_SESSION(NULL, &bytes, (long)tls->handshake->session_length);
    if (session != NULL)
        SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
    ERR_clear_error(); /* one that is not understood is not resumed */
    return true;
}

static bool prepare_client(struct tls *tls, struct error *error)
{
    const struct tls_handshake *handshake = tls->handshake;

    SSL_set_connect_state(tls->ssl);
    if (handshake->server_name != NULL && tls->log_level >= TLS_LOG_STEPS)
        log_info(NULL, "%s: SNI hostname: %s", tls->peer, handshake->server_name);
    if (handshake->server_name != NULL && SSL_set_tlsext_host_name(tls->ssl, handshake->server_name) != 1)
        return tls_error_take(error, "server name");
    if (tls->context->credentials != NULL && !tls_credentials_use(tls->context->credentials, tls->ssl, error))
        return false;
    return resume(tls);
}

/* ---- the handshake ---- */

static enum tls_result wait_for_peer(struct tls *tls, bool for_reading)
{
    enum stream_status status;

    if (for_reading && tls_socket_used_up(tls)) {
        if (deadline_passed(tls->handshake->deadline))
            return TLS_TIMEOUT;
        return task_sleep(0) == WAIT_READY ? TLS_OK : TLS_CANCELLED;
    }
    status = stream_wait(tls->stream, for_reading, tls->handshake->deadline);
    return status == STREAM_OK ? TLS_OK : status == STREAM_TIMEOUT ? TLS_TIMEOUT : TLS_CANCELLED;
}

/* As far as the handshake gets with what has come in. In a worker thread it sees nothing but its connection. */
struct step {
    struct tls *tls;
    int reason; /* why it stopped: SSL_ERROR_...; SSL_ERROR_NONE: it is done */
    int error_number;
    struct error error;
};

static void take_step(void *argument)
{
    struct step *step = argument;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(step->tls->ssl);
    step->error_number = errno;
    step->reason = SSL_get_error(step->tls->ssl, result);
    if (step->reason == SSL_ERROR_SSL)
        tls_error_take(&step->error, "handshake failed");
}

/* What the handshake needs to go on; TLS_OK: try again. */
static enum tls_result go_on(struct tls *tls, const struct step *step, struct error *error)
{
    switch (step->reason) {
    case SSL_ERROR_WANT_READ: return wait_for_peer(tls, true);
    case SSL_ERROR_WANT_WRITE: return wait_for_peer(tls, false);
    case SSL_ERROR_WANT_CLIENT_HELLO_CB: return tls_hello_look_up(tls, error) ? TLS_OK : TLS_FAILED;
    case SSL_ERROR_ZERO_RETURN: return TLS_LOST;
    case SSL_ERROR_SYSCALL:
        if (step->error_number == 0 || step->error_number == ECONNRESET || step->error_number == EPIPE)
            return TLS_LOST;
        error_set(error, "%s", strerror(step->error_number));
        return TLS_FAILED;
    default:
        *error = step->error;
        return TLS_FAILED;
    }
}

/* The first step finds nothing to read yet, most often; and steps that are logged are logged here. */
static enum tls_result shake_hands(struct tls *tls, struct error *error)
{
    bool in_thread = tls->context->in_threads && tls->log_level < TLS_LOG_STEPS;
    struct step step = {.tls = tls};

    for (bool first = true;; first = false) {
        enum tls_result next;

        if (in_thread && !first)
            offload_run(take_step, &step);
        else
            take_step(&step);
        if (step.reason == SSL_ERROR_NONE)
            return TLS_OK;
        next = go_on(tls, &step, error);
        if (next != TLS_OK)
            return next;
    }
}

static enum tls_result end_badly(struct tls *tls, enum tls_result result)
{
    static const enum stream_status statuses[] = {
        [TLS_TIMEOUT] = STREAM_TIMEOUT,
        [TLS_LOST] = STREAM_EOF,
        [TLS_FAILED] = STREAM_FAILED,
        [TLS_CANCELLED] = STREAM_CANCELLED,
    };

    tls->broken = true;
    if (stream_status(tls->stream) == STREAM_OK)
        stream_fail(tls->stream, statuses[result], result == TLS_TIMEOUT ? ETIMEDOUT : EPROTO);
    tls->handshake = NULL;
    return result;
}

static enum tls_result run(struct tls *tls, struct arena *arena, struct tls_peer *peer, struct error *error)
{
    struct stream *stream = tls->stream;
    enum tls_result result = TLS_FAILED;

    error_set(error, "handshake failed");
    if (stream_flush(stream) != STREAM_OK)
        result = TLS_LOST;
    stream_set_transport(stream, &tls_transport, tls);
    if (result == TLS_LOST)
        return end_badly(tls, result);
    tls_trace_begin(tls);
    if (set_ciphers(tls, error) && tls_verify_begin(tls, error) &&
        (tls->context->server ? prepare_server(tls, error) : prepare_client(tls, error)))
        result = shake_hands(tls, error);
    if (result != TLS_OK)
        return end_badly(tls, result);
    tls->established = true;
    tls_peer_describe(tls, arena, peer);
    tls_trace_peer(tls, peer);
    tls_hello_keep(tls);
    tls->handshake = NULL;
    tls->context = NULL;
    return TLS_OK;
}

enum tls_result tls_accept(struct tls_context *context, struct stream *stream, const struct tls_handshake *handshake,
                           struct arena *arena, struct tls_peer *peer, struct error *error)
{
    return run(tls_new(context, stream, handshake), arena, peer, error);
}

enum tls_result tls_connect(struct tls_context *context, struct stream *stream, const struct tls_handshake *handshake,
                            struct arena *arena, struct tls_peer *peer, struct error *error)
{
    return run(tls_new(context, stream, handshake), arena, peer, error);
}
