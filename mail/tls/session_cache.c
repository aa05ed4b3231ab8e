#include "mail/tls/session_cache.h"

#include <string.h>

#include "mail/ipc/ipc.h"
#include "util/base/base64.h"
#include "util/base/log.h"

static const duration answer_limit = 5 * SECONDS;

/* A session is worth less than a delay: what tlsmgr does not say soon is not waited for. */
static bool ask(const struct ipc_message *request, const void *question, struct text *session)
{
    struct arena *arena = arena_new();
    struct tlsmgr_session answer;
    struct error error;
    bool answered = ipc_ask(channel_pool_process(IPC_SOCKET_TLSMGR, IPC_PROTOCOL_TLSMGR), request, question,
                            &ipc_tlsmgr_session, &answer, arena, deadline_in(answer_limit), &error);

    if (!answered)
        log_warning(NULL, "no TLS session cache: %s", error.text);
    if (answered && session != NULL)
        base64_decode(answer.session, session);
    if (answered)
        explicit_bzero((char *)answer.session, strlen(answer.session));
    arena_free(arena);
    return answered;
}

bool session_cache_find(const char *cache, const char *id, struct text *session)
{
    const struct tlsmgr_find_session question = {.cache = cache, .id = id};

    text_clear(session);
    return ask(&ipc_tlsmgr_find_session, &question, session) && session->length > 0;
}

void session_cache_keep(const char *cache, const char *id, const void *bytes, size_t length, duration lifetime)
{
    struct text encoded = {0};
    struct tlsmgr_keep_session question = {.cache = cache, .id = id, .lifetime = lifetime / SECONDS};

    base64_encode(bytes, length, &encoded);
    question.session = text_string(&encoded);
    ask(&ipc_tlsmgr_keep_session, &question, NULL);
    text_wipe(&encoded);
}

void session_cache_forget(const char *cache, const char *id)
{
    const struct tlsmgr_keep_session question = {.cache = cache, .id = id, .session = ""};

    ask(&ipc_tlsmgr_keep_session, &question, NULL);
}
