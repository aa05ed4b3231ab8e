/* tlsmgr - session ticket keys, and sessions that may be resumed. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "mail/service/service.h"
#include "mail/tls/ticket_keys.h"
#include "tlsmgr/tlsmgr.h"
#include "util/base/memory.h"

/* A session is a few kilobytes at most; one of a peer with a long chain of certificates may be more. */
enum { SESSION_LIMIT = 64 * 1024, SESSIONS = 5000 };
static const duration least_lifetime = 120 * SECONDS, greatest_lifetime = 100 * 86400 * SECONDS;

struct tlsmgr_config {
#define PARAMETER PARAMETER_MEMBER
#include "tlsmgr/tlsmgr.def"
#undef PARAMETER
};

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct tlsmgr_config, __VA_ARGS__)
#include "tlsmgr/tlsmgr.def"
#undef PARAMETER
};

static const struct parameter_set tlsmgr_parameters = PARAMETER_SET(parameters, struct tlsmgr_config);

struct tlsmgr {
    struct ticket_key_ring *ring;
    struct session_store *sessions;
};

static bool tlsmgr_start(struct service_environment *environment, struct error *error)
{
    const struct tlsmgr_config *config = environment->parameters;
    struct tlsmgr *tlsmgr = memory_new(sizeof *tlsmgr);
    duration lifetime = config->smtpd_tls_session_cache_timeout;

    (void)error;
    if (lifetime < least_lifetime)
        lifetime = least_lifetime;
    if (lifetime > greatest_lifetime)
        lifetime = greatest_lifetime;
    tlsmgr->ring = ticket_key_ring_new(lifetime);
    tlsmgr->sessions = session_store_new(SESSIONS);
    environment->state = tlsmgr;
    return true;
}

/* Another user's identity, once taken, would have made the process dumpable again. */
static bool tlsmgr_ready(struct service_environment *environment, struct error *error)
{
    (void)environment;
    if (prctl(PR_SET_DUMPABLE, 0) == 0)
        return true;
    return error_set(error, "prctl dumpable failed");
}

static void send_keys(struct tlsmgr *tlsmgr, struct call *call, const struct frame *frame, struct arena *arena)
{
    struct tlsmgr_get_keys question;
    size_t count;
    const struct tls_ticket_key *keys = ticket_key_ring_current(tlsmgr->ring, &count);
    struct text texts[TLS_TICKET_KEYS] = {{0}};
    char encrypt[TLS_TICKET_KEYS][24], decrypt[TLS_TICKET_KEYS][24];
    const char *items[3][TLS_TICKET_KEYS];
    struct tlsmgr_keys answer = {.keys = {items[0], count}, .encrypt_until = {items[1], count}, .decrypt_until = {items[2], count}};

    if (ipc_decode(frame->body, frame->length, &ipc_tlsmgr_get_keys, &question, arena))
        log_debug(1, "session ticket keys for %s", question.service);
    for (size_t i = 0; i < count; i++) {
        ticket_key_print(&keys[i], &texts[i]);
        snprintf(encrypt[i], sizeof encrypt[i], "%lld", (long long)keys[i].encrypt_until);
        snprintf(decrypt[i], sizeof decrypt[i], "%lld", (long long)keys[i].decrypt_until);
        items[0][i] = texts[i].data;
        items[1][i] = encrypt[i];
        items[2][i] = decrypt[i];
    }
    ipc_send(call, &ipc_tlsmgr_keys, &answer);
    for (size_t i = 0; i < count; i++)
        text_wipe(&texts[i]);
}

static bool keep_session(struct tlsmgr *tlsmgr, const struct frame *frame, struct arena *arena)
{
    struct tlsmgr_keep_session keep;

    if (!ipc_decode(frame->body, frame->length, &ipc_tlsmgr_keep_session, &keep, arena))
        return false;
    if (strlen(keep.session) <= SESSION_LIMIT && keep.lifetime <= greatest_lifetime / SECONDS)
        session_store_put(tlsmgr->sessions, keep.cache, keep.id, keep.session, keep.lifetime * SECONDS);
    return true;
}

static const char *find_session(struct tlsmgr *tlsmgr, const struct frame *frame, struct arena *arena)
{
    struct tlsmgr_find_session wanted;
    const char *found = NULL;

    if (ipc_decode(frame->body, frame->length, &ipc_tlsmgr_find_session, &wanted, arena))
        found = session_store_find(tlsmgr->sessions, wanted.cache, wanted.id);
    return found != NULL ? found : "";
}

static void tlsmgr_call(struct service_environment *environment, struct call *call)
{
    struct tlsmgr *tlsmgr = environment->state;
    struct tlsmgr_session session = {.session = ""};
    struct arena *arena = arena_new();
    struct frame frame;

    if (call_receive(call, &frame, deadline_in(environment->mail->ipc_timeout)) == CALL_OK) {
        if (frame.message == IPC_tlsmgr_get_keys) {
            send_keys(tlsmgr, call, &frame, arena);
        } else if (frame.message == IPC_tlsmgr_find_session) {
            session.session = find_session(tlsmgr, &frame, arena);
            ipc_send(call, &ipc_tlsmgr_session, &session);
        } else if (frame.message == IPC_tlsmgr_keep_session && keep_session(tlsmgr, &frame, arena)) {
            ipc_send(call, &ipc_tlsmgr_session, &session);
        } else {
            log_warning(NULL, "damaged request");
        }
    }
    arena_free(arena);
}

static const struct service tlsmgr = {
    .name = "tlsmgr",
    .parameters = &tlsmgr_parameters,
    .sandbox = SANDBOX_READ_ONLY,
    .start = tlsmgr_start,
    .ready = tlsmgr_ready,
    .call = tlsmgr_call,
    .protocol = IPC_PROTOCOL_TLSMGR,
    .keep_running = true, /* the keys are nowhere else */
};

int main(int argc, char **argv)
{
    return service_main(&tlsmgr, argc, argv);
}
