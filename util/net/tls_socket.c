/* Between OpenSSL and the stream: a BIO that reads and writes the descriptor, and the stream's transport. */
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/net/tls_internal.h"

/* So much may come in without a byte of use in it before the others have their turn, and so many turns of that are
 * too many: renegotiation, key updates, empty records, alerts. */
enum { QUOTA = 16 * 1024, IDLE_TURNS = 16 };

/* ---- the BIO ---- */

static int socket_read(BIO *bio, char *bytes, int length)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (tls->quota == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    do
        got = recv(stream_fd(tls->stream), bytes, (size_t)length, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    tls_trace_bytes(tls, "read from", bytes, length, (int)got);
    if (got > 0)
        tls->quota = (size_t)got < tls->quota ? tls->quota - (size_t)got : 0;
    return (int)got;
}

static int socket_write(BIO *bio, const char *bytes, int length)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t done;

    BIO_clear_retry_flags(bio);
    do
        done = send(stream_fd(tls->stream), bytes, (size_t)length, MSG_NOSIGNAL);
    while (done < 0 && errno == EINTR);
    if (done < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    tls_trace_bytes(tls, "write to", bytes, length, (int)done);
    return (int)done;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static struct {
    pthread_once_t once;
    BIO_METHOD *method;
} bio = {.once = PTHREAD_ONCE_INIT};

static void make_method(void)
{
    bio.method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    BIO_meth_set_read(bio.method, socket_read);
    BIO_meth_set_write(bio.method, socket_write);
    BIO_meth_set_ctrl(bio.method, socket_control);
}

BIO *tls_socket_new(struct tls *tls)
{
    BIO *made;

    pthread_once(&bio.once, make_method);
    made = BIO_new(bio.method);
    BIO_set_data(made, tls);
    BIO_set_init(made, 1);
    tls->quota = QUOTA;
    return made;
}

bool tls_socket_used_up(struct tls *tls)
{
    if (tls->quota > 0)
        return false;
    tls->quota = QUOTA;
    return true;
}

/* ---- the transport ---- */

/* -1 and errno for what SSL_read or SSL_write answered. */
static ssize_t explain(struct tls *tls, int result, int saved_errno, bool reading, bool *crosswise)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *crosswise = !reading;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_WRITE:
        *crosswise = reading;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        tls->broken = true;
        errno = saved_errno;
        return saved_errno != 0 ? -1 : 0; /* closed without a goodbye: for SMTP the end all the same */
    default:
        tls->broken = true;
        errno = EPROTO;
        return -1;
    }
}

/* True: read again, now or after the others. */
static bool more_to_read(struct tls *tls, ssize_t got)
{
    if (got >= 0 || errno != EAGAIN || !tls_socket_used_up(tls))
        return false;
    if (++tls->idle_turns > IDLE_TURNS) {
        tls->broken = true;
        errno = EPROTO;
        return false;
    }
    if (task_sleep(0) == WAIT_READY)
        return true;
    errno = ECANCELED;
    return false;
}

static ssize_t transport_read(void *state, void *bytes, size_t length, bool *crosswise)
{
    struct tls *tls = state;
    ssize_t got;

    do {
        int result;

        ERR_clear_error();
        errno = 0;
        result = SSL_read(tls->ssl, bytes, length > INT32_MAX ? INT32_MAX : (int)length);
        got = result > 0 ? result : explain(tls, result, errno, true, crosswise);
    } while (more_to_read(tls, got));
    if (got > 0) {
        tls->quota = QUOTA;
        tls->idle_turns = 0;
    }
    return got;
}

static ssize_t transport_write(void *state, const void *bytes, size_t length, bool *crosswise)
{
    struct tls *tls = state;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_write(tls->ssl, bytes, length > INT32_MAX ? INT32_MAX : (int)length);
    if (result > 0)
        return result;
    if (explain(tls, result, errno, false, crosswise) == 0)
        errno = EPIPE;
    return -1;
}

/* Whatever comes before it is dropped. */
static void wait_for_goodbye(struct tls *tls)
{
    struct deadline deadline = deadline_in(tls->goodbye_limit);
    char dropped[1024];

    for (unsigned turn = 0; turn < IDLE_TURNS && (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) == 0; turn++) {
        int got = SSL_read(tls->ssl, dropped, sizeof dropped);

        if (got > 0)
            continue;
        if (SSL_get_error(tls->ssl, got) != SSL_ERROR_WANT_READ ||
            task_wait_readable(stream_fd(tls->stream), deadline) != WAIT_READY)
            return;
        tls->quota = QUOTA;
    }
}

static void transport_close(void *state)
{
    struct tls *tls = state;

    if (tls->established && !tls->broken && stream_status(tls->stream) != STREAM_FAILED) {
        SSL_shutdown(tls->ssl);
        if (tls->goodbye_limit > 0 && task_current() != NULL)
            wait_for_goodbye(tls);
    }
    SSL_free(tls->ssl);
    ERR_clear_error();
    free(tls->peer);
    free(tls->asked_name);
    free(tls->asked_session);
    SSL_SESSION_free(tls->found);
    SSL_SESSION_free(tls->made);
    free(tls);
}

const struct stream_transport tls_transport = {transport_read, transport_write, transport_close};
