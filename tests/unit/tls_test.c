/* Handshakes between two tasks: who is trusted, what is agreed, what becomes of peers that do not play along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/certificates.h"
#include "tests/unit/in_task.h"
#include "util/base/memory.h"
#include "util/net/tls.h"

enum { LONG_BODY = 3 * 1000 * 1000 };

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

static struct tls_credentials *credentials_of(const struct made *made, const struct made *issuer)
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

static struct tls_context *context_of(struct both *both, bool server, const struct made *own)
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

static int begin(void **state)
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

static void free_side(struct side *side)
{
    tls_context_free(side->context);
    if (side->arena != NULL)
        arena_free(side->arena);
    text_free(&side->got);
    text_free(&side->session);
}

static int end(void **state)
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

static void run_side(struct side *side, bool server)
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

static void run_server(void *argument)
{
    run_side(argument, true);
}

static void run_client(void *argument)
{
    run_side(argument, false);
}

static void run_both(void *argument)
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

static void meet(struct both *both)
{
    run_in_task(run_both, both);
}

static void assert_met(struct both *both)
{
    meet(both);
    if (both->server.result != TLS_OK || both->client_side.result != TLS_OK)
        fail_msg("server %d %s, client %d %s", both->server.result, both->server.error.text, both->client_side.result,
                 both->client_side.error.text);
    assert_string_equal(text_string(&both->client_side.got), "220 hello");
    assert_string_equal(text_string(&both->server.got), "EHLO here");
}

/* ---- what is agreed ---- */

static void agreed(void **state)
{
    struct both *both = *state;

    assert_met(both);
    assert_string_equal(both->server.peer.agreed, "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)");
    assert_string_equal(both->server.peer.details,
                        "key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256");
    assert_string_equal(both->client_side.peer.details, both->server.peer.details);
    assert_int_equal(both->server.peer.trust, TLS_ANONYMOUS);
    assert_int_equal(both->client_side.peer.trust, TLS_TRUSTED);
    assert_string_equal(both->client_side.peer.subject_cn, "cn.example");
    assert_string_equal(both->client_side.peer.issuer_cn, "Test CA");
    assert_string_equal(both->client_side.peer.subject, "/CN=cn.example");
    assert_false(both->server.peer.asked);
}

/* Both sides come to the same, and to something else the next time where the connection itself is bound. */
static void channel_bindings(void **state)
{
    struct both *both = *state;
    struct tls_peer before;

    for (int version = 0x0303; version <= 0x0304; version++) {
        both->client_side.handshake.protocols = (struct tls_protocols){.most = version};
        both->client_side.handshake.bind = both->server.handshake.bind = true;
        assert_met(both);
        before = both->server.peer;
        assert_int_equal(before.exporter_length, TLS_EXPORTER_SIZE);
        assert_memory_equal(before.exporter, both->client_side.peer.exporter, TLS_EXPORTER_SIZE);
        assert_int_equal(before.end_point_length, 32);
        assert_memory_equal(before.end_point, both->client_side.peer.end_point, 32);
        assert_met(both);
        assert_memory_not_equal(before.exporter, both->client_side.peer.exporter, TLS_EXPORTER_SIZE);
        assert_memory_equal(before.end_point, both->client_side.peer.end_point, 32);
    }
}

static void older_protocol(void **state)
{
    struct both *both = *state;

    both->server.handshake.protocols = (struct tls_protocols){.most = 0x0303};
    assert_met(both);
    assert_string_equal(both->server.peer.agreed, "TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)");
    assert_string_equal(both->server.peer.details, "");
}

static void no_common_protocol(void **state)
{
    struct both *both = *state;

    both->server.handshake.protocols = (struct tls_protocols){.most = 0x0303};
    both->client_side.handshake.protocols = (struct tls_protocols){.excluded = 1u << 3};
    meet(both);
    assert_int_equal(both->server.result, TLS_FAILED);
    assert_non_null(strstr(both->server.error.text, "error:0A"));
    assert_int_equal(both->client_side.result, TLS_FAILED);
}

/* ---- who is trusted ---- */

static void client_certificates(void **state)
{
    struct both *both = *state;
    const struct {
        const struct made *shown;
        enum tls_trust trust;
    } cases[] = {{&both->client, TLS_TRUSTED}, {&both->other, TLS_UNTRUSTED}, {NULL, TLS_ANONYMOUS}};

    both->server.handshake.ask = TLS_ASK;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tls_context_free(both->client_side.context);
        both->client_side.context = context_of(both, false, cases[i].shown);
        assert_met(both);
        assert_int_equal(both->server.peer.trust, cases[i].trust);
        assert_int_equal(both->server.peer.certificate, cases[i].shown != NULL);
        assert_true(both->server.peer.asked);
    }
    both->server.handshake.ask = TLS_REQUIRE;
    meet(both);
    assert_int_equal(both->server.result, TLS_FAILED);
}

static void match(struct both *both, const struct tls_match *wanted, enum tls_trust trust, const char *matched)
{
    both->client_side.handshake.match = wanted;
    assert_met(both);
    assert_int_equal(both->client_side.peer.trust, trust);
    if (matched != NULL)
        assert_string_equal(both->client_side.peer.matched, matched);
}

static void by_name(void **state)
{
    const char *const good[] = {"no.example", "MAIL.example.com", NULL}, *const wild[] = {"a.wild.example.com", NULL};
    const char *const common[] = {"cn.example", NULL}, *const below[] = {".example.com", NULL};
    struct both *both = *state;

    match(both, &(struct tls_match){.by = TLS_MATCH_TRUST}, TLS_TRUSTED, "");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = good}, TLS_VERIFIED, "mail.example.com");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = wild}, TLS_VERIFIED, "*.wild.example.com");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = below}, TLS_VERIFIED, "mail.example.com");
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = common}, TLS_UNTRUSTED, ""); /* it has DNS names */
    assert_string_equal(both->client_side.peer.verify_error, "hostname mismatch");
    tls_context_free(both->server.context);
    both->server.context = context_of(both, true, &both->client); /* this one has none */
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = (const char *const[]){"client.example", NULL}},
          TLS_VERIFIED, "client.example");
    tls_context_free(both->server.context);
    both->server.context = context_of(both, true, &both->other);
    match(both, &(struct tls_match){.by = TLS_MATCH_NAMES, .names = (const char *const[]){"other.example", NULL}},
          TLS_UNTRUSTED, "");
    assert_string_equal(both->client_side.peer.verify_error, "self-signed certificate");
}

static void by_fingerprint(void **state)
{
    struct both *both = *state;
    const char *fingerprints[] = {"AB:CD", NULL, NULL};
    const struct tls_match wanted = {.by = TLS_MATCH_FINGERPRINT, .fingerprints = fingerprints};
    char *certificate, *key;

    match(both, &wanted, TLS_UNTRUSTED, "");
    certificate = memory_copy_string(both->client_side.peer.certificate_fingerprint);
    key = memory_copy_string(both->client_side.peer.key_fingerprint);
    ascii_lower_string(key);
    fingerprints[1] = certificate;
    match(both, &wanted, TLS_VERIFIED, certificate);
    fingerprints[1] = key;
    match(both, &wanted, TLS_VERIFIED, NULL);
    free(certificate);
    free(key);
}

/* A record for a certificate or its key. */
static struct tls_tlsa record_of(const struct made *made, uint8_t usage, uint8_t selector, uint8_t type,
                                 unsigned char digest[EVP_MAX_MD_SIZE])
{
    unsigned char *bytes = NULL;
    int length = selector == 0 ? i2d_X509(made->certificate, &bytes) : i2d_PUBKEY(made->key, &bytes);
    unsigned size;

    EVP_Digest(bytes, (size_t)length, digest, &size, type == 1 ? EVP_sha256() : EVP_sha512(), NULL);
    OPENSSL_free(bytes);
    return (struct tls_tlsa){usage, selector, type, digest, size};
}

static void by_dane(void **state)
{
    struct both *both = *state;
    const char *const names[] = {"mail.example.com", NULL}, *const others[] = {"x.example", NULL};
    unsigned char digest[EVP_MAX_MD_SIZE], digest_2[EVP_MAX_MD_SIZE];
    struct tls_credentials *with_issuer;
    struct tls_tlsa records[2];
    struct tls_match wanted = {.by = TLS_MATCH_DANE, .tlsa = records, .tlsa_count = 1, .names = others};

    both->client_side.handshake.server_name = "mail.example.com";
    records[0] = record_of(&both->leaf, 3, 1, 1, digest);
    match(both, &wanted, TLS_VERIFIED, "TLSA"); /* usage 3 looks at no name */
    assert_true(string_starts(both->client_side.peer.proof, "Matched DANE EE certificate at depth 0: 3 1 1 "));
    records[0] = record_of(&both->leaf, 3, 0, 2, digest);
    match(both, &wanted, TLS_VERIFIED, "TLSA");
    records[0] = record_of(&both->other, 3, 1, 1, digest);
    match(both, &wanted, TLS_UNTRUSTED, "");
    /* The server sends its own certificate only: an anchor that is known by its digest alone cannot be found. */
    records[0] = record_of(&both->ca, 2, 0, 1, digest);
    match(both, &wanted, TLS_UNTRUSTED, "");
    with_issuer = credentials_of(&both->leaf, &both->ca);
    tls_context_set_credentials(both->server.context, with_issuer);
    tls_credentials_free(with_issuer);
    match(both, &wanted, TLS_UNTRUSTED, "");
    assert_string_equal(both->client_side.peer.verify_error, "hostname mismatch");
    wanted.names = names;
    match(both, &wanted, TLS_VERIFIED, "mail.example.com");
    assert_string_equal(both->client_side.peer.matched_name, "mail.example.com");
    assert_true(string_starts(both->client_side.peer.proof, "Matched DANE TA certificate at depth 1: 2 0 1 "));
    records[1] = record_of(&both->leaf, 3, 1, 1, digest_2);
    wanted.tlsa_count = 2;
    match(both, &wanted, TLS_VERIFIED, "TLSA");
    wanted.tlsa_count = 0;
    meet(both);
    assert_int_equal(both->client_side.result, TLS_FAILED);
    assert_string_equal(both->client_side.error.text, "no usable TLSA records");
}

static void by_anchor(void **state)
{
    struct both *both = *state;
    const char *const names[] = {"mail.example.com", NULL};
    struct text key = {0}, wrong = {0};
    const char *anchors[] = {NULL, NULL};
    const struct tls_match wanted = {.by = TLS_MATCH_NAMES, .names = names, .anchors = anchors};

    append_public_key(&key, &both->ca);
    append_certificate(&wrong, &both->other);
    anchors[0] = both->ca_pem.data;
    match(both, &wanted, TLS_VERIFIED, "mail.example.com");
    anchors[0] = key.data;
    match(both, &wanted, TLS_VERIFIED, "mail.example.com");
    anchors[0] = wrong.data; /* the CAs that are trusted elsewhere do not count now */
    match(both, &wanted, TLS_UNTRUSTED, "");
    anchors[0] = "nothing";
    meet(both);
    assert_int_equal(both->client_side.result, TLS_FAILED);
    text_free(&key);
    text_free(&wrong);
}

/* ---- names that clients ask for ---- */

static struct tls_credentials *find(void *context, const char *name, bool *refuse)
{
    task_sleep(1 * MILLISECONDS);
    *refuse = strcmp(name, "refused.example") == 0;
    return strcmp(name, "other.example") == 0 ? context : NULL;
}

static void names_asked_for(void **state)
{
    struct both *both = *state;
    struct tls_credentials *credentials = credentials_of(&both->other, NULL);

    both->server.handshake.sni = find;
    both->server.handshake.sni_context = credentials;
    both->client_side.handshake.server_name = "other.example";
    assert_met(both);
    assert_string_equal(both->client_side.peer.subject_cn, "other.example");
    assert_string_equal(both->server.peer.server_name, "other.example");
    both->client_side.handshake.server_name = "unknown.example";
    assert_met(both);
    assert_string_equal(both->client_side.peer.subject_cn, "cn.example");
    assert_string_equal(both->server.peer.server_name, "");
    both->client_side.handshake.server_name = "refused.example";
    meet(both);
    assert_int_equal(both->server.result, TLS_FAILED);
    assert_non_null(strstr(both->client_side.error.text, "internal error"));
    both->client_side.handshake.server_name = NULL;
    assert_met(both);
    tls_credentials_free(credentials);
}

/* ---- sessions ---- */

static void keep_session(void *context, const void *bytes, size_t length)
{
    struct text *session = context;

    text_clear(session);
    text_append_bytes(session, bytes, length);
}

static void resume(struct both *both, int version, bool resumed)
{
    struct side *client = &both->client_side;

    client->handshake.protocols = (struct tls_protocols){.most = version};
    client->handshake.session = NULL;
    client->handshake.new_session = keep_session;
    client->handshake.session_context = &client->session;
    text_clear(&client->session);
    assert_met(both);
    assert_false(client->peer.resumed);
    assert_true(client->session.length > 0);
    client->handshake.session = client->session.data;
    client->handshake.session_length = client->session.length;
    client->handshake.new_session = NULL;
    if (!resumed)
        return;
    assert_met(both);
    assert_true(client->peer.resumed);
    assert_true(both->server.peer.resumed);
    assert_string_equal(client->peer.subject_cn, "cn.example");
    assert_int_equal(client->peer.trust, TLS_TRUSTED);
}

static void sessions_resumed(void **state)
{
    resume(*state, 0x0304, true);
    resume(*state, 0x0303, true);
}

/* The same ticket keys, another service. */
static void not_elsewhere(void **state)
{
    struct both *both = *state;
    struct tls_settings settings = defaults;
    struct tls_credentials *credentials = credentials_of(&both->leaf, NULL);
    struct error error;

    resume(both, 0x0304, false);
    tls_context_free(both->server.context);
    settings.server = true;
    settings.tickets = both->tickets;
    settings.session_context = "elsewhere";
    both->server.context = tls_context_new(&settings, &error);
    tls_context_set_credentials(both->server.context, credentials);
    tls_credentials_free(credentials);
    assert_met(both);
    assert_false(both->client_side.peer.resumed);
}

static void ticket_keys_change(void **state)
{
    struct both *both = *state;
    struct tls_ticket_key keys[2];

    resume(both, 0x0304, false);
    assert_false(tls_tickets_missed(both->tickets));
    tls_ticket_key_make(&keys[0], 3600 * SECONDS, 3600 * SECONDS);
    tls_tickets_set(both->tickets, keys, 1);
    assert_met(both);
    assert_false(both->client_side.peer.resumed);
    assert_true(tls_tickets_missed(both->tickets));
    assert_false(tls_tickets_missed(both->tickets));
    keys[0].encrypt_until = 1;
    tls_tickets_set(both->tickets, keys, 1);
    assert_false(tls_tickets_current(both->tickets));
    text_clear(&both->client_side.session);
    both->client_side.handshake.new_session = keep_session;
    both->client_side.handshake.session_context = &both->client_side.session;
    assert_met(both); /* works without a ticket */
}

static void damaged_session(void **state)
{
    struct both *both = *state;

    both->client_side.handshake.session = "nonsense";
    both->client_side.handshake.session_length = 8;
    assert_met(both);
}

/* ---- data ---- */

static void send_long(void *argument)
{
    struct side *side = argument;
    char *body = memory_new(LONG_BODY);

    memset(body, 'x', LONG_BODY - 1);
    body[LONG_BODY - 1] = '\n';
    side->arena = arena_new();
    side->result = tls_connect(side->context, side->stream, &side->handshake, side->arena, &side->peer, &side->error);
    stream_write(side->stream, body, LONG_BODY);
    stream_flush(side->stream);
    free(body);
    stream_free(side->stream);
}

static void receive_long(void *argument)
{
    struct side *side = argument;

    side->arena = arena_new();
    side->result = tls_accept(side->context, side->stream, &side->handshake, side->arena, &side->peer, &side->error);
    assert_int_equal(stream_read_line(side->stream, &side->got, LONG_BODY, NULL), STREAM_OK);
    assert_int_equal(stream_read_line(side->stream, &side->session, LONG_BODY, NULL), STREAM_EOF);
    stream_free(side->stream);
}

static void run_long(void *argument)
{
    struct both *both = argument;
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    both->server.stream = stream_new(sockets[0]);
    both->client_side.stream = stream_new(sockets[1]);
    task_start(receive_long, &both->server);
    task_start(send_long, &both->client_side);
    stop_when_alone(NULL);
}

static void much_data(void **state)
{
    struct both *both = *state;

    run_in_task(run_long, both);
    assert_int_equal(both->server.result, TLS_OK);
    assert_int_equal(both->server.got.length, LONG_BODY - 1);
}

/* ---- peers that do not play along ---- */

struct rude {
    struct both *both;
    const char *bytes; /* what it says instead of a handshake */
    bool close, half_close;
    duration patience;
};

static void run_rude(void *argument)
{
    struct rude *rude = argument;
    struct side *server = &rude->both->server;
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    server->stream = stream_new(sockets[0]);
    server->arena = arena_new();
    server->handshake.deadline = deadline_in(rude->patience);
    assert_true(write(sockets[1], rude->bytes, strlen(rude->bytes)) >= 0);
    if (rude->half_close)
        shutdown(sockets[1], SHUT_WR);
    if (rude->close)
        close(sockets[1]);
    server->result = tls_accept(server->context, server->stream, &server->handshake, server->arena, &server->peer,
                                &server->error);
    assert_int_not_equal(stream_status(server->stream), STREAM_OK);
    stream_free(server->stream);
    if (!rude->close)
        close(sockets[1]);
    loop_stop();
}

static enum tls_result be_rude(void **state, struct rude rude)
{
    rude.both = *state;
    if (rude.patience == 0)
        rude.patience = 60 * SECONDS;
    run_in_task(run_rude, &rude);
    return rude.both->server.result;
}

static void garbage(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "MAIL FROM:<me>\r\n"}), TLS_FAILED);
}

static void closed(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "", .close = true}), TLS_LOST);
}

static void half_closed(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "\x16\x03\x01\x02", .half_close = true}), TLS_LOST);
}

static void silent(void **state)
{
    assert_int_equal(be_rude(state, (struct rude){.bytes = "\x16\x03\x01\x02", .patience = 50 * MILLISECONDS}), TLS_TIMEOUT);
}

/* What stood in the buffer before the handshake is not read after it. */
static void injected(void *argument)
{
    struct both *both = argument;
    int sockets[2];
    size_t length;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    both->server.stream = stream_new(sockets[0]);
    both->client_side.stream = stream_new(sockets[1]);
    assert_int_equal(write(sockets[1], "STARTTLS\r\nRSET\r\n", 16), 16);
    assert_int_equal(stream_read_line(both->server.stream, &both->server.got, 100, NULL), STREAM_OK);
    stream_buffered(both->server.stream, &length);
    assert_int_equal(length, 6);
    task_start(run_server, &both->server);
    task_start(run_client, &both->client_side);
    stop_when_alone(NULL);
}

static void injection(void **state)
{
    struct both *both = *state;

    run_in_task(injected, both);
    assert_int_equal(both->server.result, TLS_OK);
    assert_string_equal(text_string(&both->server.got), "EHLO here");
}

/* A client that speaks as soon as it may: its last handshake message and its first line come at once, and it waits for the
 * answer. */
static void answer_line(void *argument)
{
    struct side *side = argument;

    side->arena = arena_new();
    stream_set_timeout(side->stream, 5 * SECONDS);
    assert_int_equal(stream_read_line(side->stream, &side->got, 100, NULL), STREAM_OK);
    side->result = tls_accept(side->context, side->stream, &side->handshake, side->arena, &side->peer, &side->error);
    stream_read_line(side->stream, &side->got, 1000, NULL);
    stream_print(side->stream, "%s", side->say);
    stream_flush(side->stream);
    stream_free(side->stream);
}

static void speak_at_once(void *argument)
{
    struct both *both = argument;
    int sockets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    both->server.stream = stream_new(sockets[0]);
    both->client_side.stream = stream_new(sockets[1]);
    assert_int_equal(write(sockets[1], "STARTTLS\r\n", 10), 10);
    task_start(answer_line, &both->server);
    task_start(run_client, &both->client_side);
    stop_when_alone(NULL);
}

static void no_line_is_missed(void **state)
{
    struct both *both = *state;

    run_in_task(speak_at_once, both);
    assert_int_equal(both->server.result, TLS_OK);
    assert_string_equal(text_string(&both->server.got), "EHLO here");
    assert_string_equal(text_string(&both->client_side.got), "220 hello");
}

/* ---- a peer that keeps us busy ---- */

enum { KEY_UPDATES = 1000000 };

/* In a process of its own, since it never waits: changes its keys again and again, and says nothing. */
static void update_keys(int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    bool going = true;

    SSL_set_fd(ssl, fd);
    going = SSL_connect(ssl) == 1;
    for (int i = 0; going && i < KEY_UPDATES; i++)
        going = SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1;
    _exit(going ? 1 : 0); /* 0: it was cut off */
}

struct flood {
    struct both *both;
    bool over;
    long turns; /* of somebody else, meanwhile */
};

static void take_turns(void *argument)
{
    struct flood *flood = argument;

    while (!flood->over) {
        flood->turns++;
        task_sleep(0);
    }
}

static void be_flooded(void *argument)
{
    struct flood *flood = argument;
    struct side *server = &flood->both->server;
    int sockets[2], status;
    long before;
    pid_t child;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    child = fork();
    if (child == 0) {
        close(sockets[0]);
        update_keys(sockets[1]);
    }
    close(sockets[1]);
    server->stream = stream_new(sockets[0]);
    server->arena = arena_new();
    server->result = tls_accept(server->context, server->stream, &server->handshake, server->arena, &server->peer,
                                &server->error);
    assert_int_equal(server->result, TLS_OK);
    before = flood->turns;
    assert_int_equal(stream_read_line(server->stream, &server->got, 100, NULL), STREAM_FAILED);
    assert_true(flood->turns - before >= 10);
    stream_free(server->stream);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    flood->over = true;
    task_sleep(0);
    loop_stop();
}

static void start_flood(void *argument)
{
    task_start(take_turns, argument);
    be_flooded(argument);
}

static void endless_key_updates(void **state)
{
    struct flood flood = {.both = *state};

    run_in_task(start_flood, &flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agreed, begin, end),
        cmocka_unit_test_setup_teardown(channel_bindings, begin, end),
        cmocka_unit_test_setup_teardown(older_protocol, begin, end),
        cmocka_unit_test_setup_teardown(no_common_protocol, begin, end),
        cmocka_unit_test_setup_teardown(client_certificates, begin, end),
        cmocka_unit_test_setup_teardown(by_name, begin, end),
        cmocka_unit_test_setup_teardown(by_fingerprint, begin, end),
        cmocka_unit_test_setup_teardown(by_dane, begin, end),
        cmocka_unit_test_setup_teardown(by_anchor, begin, end),
        cmocka_unit_test_setup_teardown(names_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(sessions_resumed, begin, end),
        cmocka_unit_test_setup_teardown(not_elsewhere, begin, end),
        cmocka_unit_test_setup_teardown(ticket_keys_change, begin, end),
        cmocka_unit_test_setup_teardown(damaged_session, begin, end),
        cmocka_unit_test_setup_teardown(much_data, begin, end),
        cmocka_unit_test_setup_teardown(garbage, begin, end),
        cmocka_unit_test_setup_teardown(closed, begin, end),
        cmocka_unit_test_setup_teardown(half_closed, begin, end),
        cmocka_unit_test_setup_teardown(silent, begin, end),
        cmocka_unit_test_setup_teardown(injection, begin, end),
        cmocka_unit_test_setup_teardown(no_line_is_missed, begin, end),
        cmocka_unit_test_setup_teardown(endless_key_updates, begin, end),
    };

    return cmocka_run_group_tests_name("TLS", tests, NULL, NULL);
}
