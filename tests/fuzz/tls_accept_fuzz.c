/* A client's first bytes, as the server side of a handshake takes them: records, client hellos, server names. The key is made
 * anew for each run. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "util/base/memory.h"
#include "util/net/tls.h"
#include "util/net/tls_generate.h"
#include "util/task/loop.h"
#include "util/task/task.h"

struct client {
    const uint8_t *data;
    size_t size;
};

static struct tls_context *make_context(void)
{
    const struct tls_settings settings = {.server = true, .ca_file = "", .ca_path = "", .digest = "sha256", .curves = "X25519",
                                          .ffdhe_groups = "", .dh_file = "", .options = "", .no_workarounds = "",
                                          .session_context = "fuzz"};
    const char *const hosts[] = {"fuzz.example", NULL};
    struct tls_credentials *credentials = tls_credentials_new();
    struct text key = {0}, certificate = {0};
    struct tls_context *context;
    struct error error;
    bool good;

    good = tls_generate_key("ecdsa", NULL, &key, &error) && tls_generate_certificate(&key, hosts, &certificate, &error) &&
           tls_credentials_add_pair(credentials, &certificate, "c", &key, "k", &error);
    assert(good);
    context = tls_context_new(&settings, &error);
    tls_context_set_credentials(context, credentials);
    tls_credentials_free(credentials);
    text_wipe(&key);
    text_free(&certificate);
    return context;
}

static struct tls_credentials *find(void *context, const char *name, bool *refuse)
{
    (void)context;
    assert(strlen(name) > 0 && strlen(name) <= 255);
    *refuse = name[0] == 'r';
    return NULL;
}

static void serve(void *argument)
{
    const struct client *client = argument;
    struct tls_handshake handshake = {.peer = "fuzz", .deadline = deadline_in(10 * MILLISECONDS), .ciphers = "HIGH",
                                      .ask = TLS_ASK, .sni = find};
    struct tls_context *context = make_context();
    struct arena *arena = arena_new();
    struct stream *stream;
    struct tls_peer peer;
    struct error error;
    int sockets[2], made = socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
    enum tls_result result;

    assert(made == 0);
    stream = stream_new(sockets[0]);
    (void)!write(sockets[1], client->data, client->size < 100000 ? client->size : 100000);
    shutdown(sockets[1], SHUT_WR);
    result = tls_accept(context, stream, &handshake, arena, &peer, &error);
    assert(result != TLS_OK && stream_status(stream) != STREAM_OK);
    stream_free(stream);
    close(sockets[1]);
    arena_free(arena);
    tls_context_free(context);
    loop_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client client = {data, size};

    loop_start();
    task_start(serve, &client);
    loop_run();
    loop_end();
    return 0;
}
