/* For tests of TLS: a server and a client, each a task, at the two ends of a pair of sockets. */
#ifndef TESTS_UNIT_TLS_PAIR_H
#define TESTS_UNIT_TLS_PAIR_H

#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/certificates.h"
#include "tests/unit/in_task.h"
#include "util/base/memory.h"
#include "util/net/tls.h"

struct side {
    struct tls_context *context;
    struct tls_handshake handshake;
    struct stream *stream;
    struct arena *arena;
    struct tls_peer peer;
    enum tls_result result;
    struct error error;
    struct text got, session; /* what it read; the last session it was given */
    const char *say;
};

struct both {
    struct made ca, leaf, other, client;
    struct text ca_pem;
    char ca_path[32];
    struct tls_tickets *tickets;
    struct side server, client_side;
};

static const struct tls_settings defaults = {.ca_file = "", .ca_path = "", .verify_depth = 9, .digest = "sha256",
                                             .curves = "X25519 prime256v1", .ffdhe_groups = "ffdhe2048", .dh_file = "",
                                             .options = "", .no_workarounds = "", .session_context = "here",
                                             .session_lifetime = 3600 * SECONDS, .dane_digests = "sha512 sha256"};

static inline struct tls_credentials *credentials_of(const struct made *made, const struct made *issuer)
{
    struct tls_credentials *credentials = tls_credentials_new();
    struct text pem = {0};
    struct error error;

    append_key(&pem, made);
    append_certificate(&pem, made);
    if (issuer != NULL)
        append_certificate(&pem, issuer);
    assert_true(tls_credentials_add_chain(credentials, pem.data, pem.length, "test", &error));
    text_wipe(&pem);
    return credentials;
}

static inline struct tls_context *context_of(struct both *both, bool server, const struct made *own)
{
    struct tls_settings settings = defaults;
    struct tls_credentials *credentials;
    struct tls_context *context;
    struct error error = {""};

    settings.server = server;
    settings.ca_file = both->ca_path;
    settings.tickets = server ? both->tickets : NULL;
    settings.in_threads = server;
    context = tls_context_new(&settings, &error);
    if (context == NULL)
        fail_msg("%s", error.text);
    if (own != NULL) {
        credentials = credentials_of(own, NULL);
        tls_context_set_credentials(context, credentials);
        tls_credentials_free(credentials);
    }
    return context;
}

static inline int begin(void **state)
{
    struct both *both = memory_new(sizeof *both);
    struct tls_ticket_key key;
    struct error error;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    both->ca = make_certificate("EC", "Test CA", NULL, true, NULL);
    both->leaf = make_certificate("EC", "cn.example", "DNS:mail.example.com,DNS:*.wild.example.com", false, &both->ca);
    both->other = make_certificate("RSA", "other.example", NULL, false, NULL);
    both->client = make_certificate("EC", "client.example", NULL, false, &both->ca);
    append_certificate(&both->ca_pem, &both->ca);
    strcpy(both->ca_path, "/tmp/tls_test.XXXXXX");
    fd = mkstemp(both->ca_path);
    assert_true(write(fd, both->ca_pem.data, both->ca_pem.length) == (ssize_t)both->ca_pem.length);
    close(fd);
    both->tickets = tls_tickets_new("aes-256-cbc", &error);
    assert_non_null(both->tickets);
    tls_ticket_key_make(&key, 3600 * SECONDS, 3600 * SECONDS);
    tls_tickets_set(both->tickets, &key, 1);
    both->server.context = context_of(both, true, &both->leaf);
    both->client_side.context = context_of(both, false, NULL);
    both->server.handshake = (struct tls_handshake){.peer = "client[1]", .deadline = deadline_never(), .ciphers = "HIGH"};
    both->client_side.handshake = (struct tls_handshake){.peer = "server[2]", .deadline = deadline_never(), .ciphers = "HIGH"};
    both->server.say = "220 hello\r\n";
    both->client_side.say = "EHLO here\r\n";
    *state = both;
    return 0;
}

static inline void free_side(struct side *side)
{
    tls_context_free(side->context);
    if (side->arena != NULL)
        arena_free(side->arena);
    text_free(&side->got);
    text_free(&side->session);
}

static inline int end(void **state)
{
    struct both *both = *state;

    free_side(&both->server);
    free_side(&both->client_side);
    tls_tickets_free(both->tickets);
    unlink(both->ca_path);
    free_made(&both->ca);
    free_made(&both->leaf);
    free_made(&both->other);
    free_made(&both->client);
    text_free(&both->ca_pem);
    free(both);
    return 0;
}

static inline void run_side(struct side *side, bool server)
{
    if (side->arena == NULL)
        side->arena = arena_new();
    side->result = (server ? tls_accept : tls_connect)(side->context, side->stream, &side->handshake, side->arena,
                                                       &side->peer, &side->error);
    if (side->result == TLS_OK) {
        stream_print(side->stream, "%s", side->say);
        stream_flush(side->stream);
        stream_read_line(side->stream, &side->got, 1000, NULL);
    }
    stream_free(side->stream);
}

static inline void run_server(void *argument)
{
    run_side(argument, true);
}

static inline void run_client(void *argument)
{
    run_side(argument, false);
}

static inline void run_both(void *argument)
{
    struct both *both = argument;
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    both->server.stream = stream_new(sockets[0]);
    both->client_side.stream = stream_new(sockets[1]);
    task_start(run_server, &both->server);
    task_start(run_client, &both->client_side);
    stop_when_alone(NULL);
}

static inline void meet(struct both *both)
{
    run_in_task(run_both, both);
}

static inline void assert_met(struct both *both)
{
    meet(both);
    if (both->server.result != TLS_OK || both->client_side.result != TLS_OK)
        fail_msg("server %d %s, client %d %s", both->server.result, both->server.error.text, both->client_side.result,
                 both->client_side.error.text);
    assert_string_equal(text_string(&both->client_side.got), "220 hello");
    assert_string_equal(text_string(&both->server.got), "EHLO here");
}

#endif
