#include "mail/tls/ticket_keys.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/base64.h"
#include "util/base/log.h"
#include "util/base/memory.h"

/* A handshake waits so long for its first keys; afterwards they are asked for at most this often. */
static const duration answer_limit = 5 * SECONDS, retry_interval = 10 * SECONDS;

struct ticket_keys {
    struct tls_tickets *tickets;
    const char *service;
    bool asking;
    bool complained;
    struct deadline not_before; /* after a failure, or an answer that was no better */
    struct task_condition answered;
};

struct ticket_keys *ticket_keys_new(const struct tls_parameters *parameters, const char *service, struct error *error)
{
    struct tls_tickets *tickets = tls_tickets_new(parameters->tls_session_ticket_cipher, error);
    struct ticket_keys *keys;

    if (tickets == NULL)
        return NULL;
    keys = memory_new(sizeof *keys);
    keys->tickets = tickets;
    keys->service = service;
    task_condition_init(&keys->answered);
    return keys;
}

struct tls_tickets *ticket_keys_tickets(struct ticket_keys *keys)
{
    return keys->tickets;
}

/* ---- the message's form ---- */

enum { KEY_BYTES = TLS_TICKET_NAME_SIZE + 2 * TLS_TICKET_KEY_SIZE };

void ticket_key_print(const struct tls_ticket_key *key, struct text *text)
{
    unsigned char bytes[KEY_BYTES];

    memcpy(bytes, key->name, TLS_TICKET_NAME_SIZE);
    memcpy(bytes + TLS_TICKET_NAME_SIZE, key->cipher, TLS_TICKET_KEY_SIZE);
    memcpy(bytes + TLS_TICKET_NAME_SIZE + TLS_TICKET_KEY_SIZE, key->mac, TLS_TICKET_KEY_SIZE);
    base64_encode(bytes, sizeof bytes, text);
    explicit_bzero(bytes, sizeof bytes);
}

bool ticket_key_parse(const char *text, struct tls_ticket_key *key)
{
    struct text bytes = {0};
    bool good = base64_decode(text, &bytes) && bytes.length == KEY_BYTES;

    if (good) {
        memcpy(key->name, bytes.data, TLS_TICKET_NAME_SIZE);
        memcpy(key->cipher, bytes.data + TLS_TICKET_NAME_SIZE, TLS_TICKET_KEY_SIZE);
        memcpy(key->mac, bytes.data + TLS_TICKET_NAME_SIZE + TLS_TICKET_KEY_SIZE, TLS_TICKET_KEY_SIZE);
    }
    text_wipe(&bytes);
    return good;
}

/* ---- asking ---- */

static bool take_answer(struct ticket_keys *keys, const struct tlsmgr_keys *answer)
{
    struct tls_ticket_key taken[TLS_TICKET_KEYS];
    size_t count = 0;

    if (answer->encrypt_until.count != answer->keys.count || answer->decrypt_until.count != answer->keys.count)
        return false;
    for (size_t i = 0; i < answer->keys.count && count < TLS_TICKET_KEYS; i++) {
        struct tls_ticket_key *key = &taken[count];

        key->encrypt_until = strtoll(answer->encrypt_until.items[i], NULL, 10);
        key->decrypt_until = strtoll(answer->decrypt_until.items[i], NULL, 10);
        count += ticket_key_parse(answer->keys.items[i], key);
        explicit_bzero((char *)answer->keys.items[i], strlen(answer->keys.items[i]));
    }
    tls_tickets_set(keys->tickets, taken, count);
    explicit_bzero(taken, sizeof taken);
    return count > 0;
}

static void ask(struct ticket_keys *keys)
{
    struct tlsmgr_get_keys question = {.service = keys->service};
    struct arena *arena = arena_new();
    struct tlsmgr_keys answer;
    struct error error;

    error_set(&error, "no usable answer from %s", IPC_SOCKET_TLSMGR);
    if (ipc_ask(channel_pool_process(IPC_SOCKET_TLSMGR, IPC_PROTOCOL_TLSMGR), &ipc_tlsmgr_get_keys, &question,
                &ipc_tlsmgr_keys, &answer, arena, deadline_in(answer_limit), &error) &&
        take_answer(keys, &answer)) {
        keys->complained = false;
    } else if (!keys->complained) {
        log_warning(NULL, "no TLS session ticket keys: %s: sessions are not resumed until there are", error.text);
        keys->complained = true;
    }
    arena_free(arena);
    keys->not_before = deadline_in(retry_interval);
}

static void run_ask(void *context)
{
    struct ticket_keys *keys = context;

    ask(keys);
    keys->asking = false;
    task_condition_wake_all(&keys->answered);
}

void ticket_keys_refresh(struct ticket_keys *keys)
{
    bool current = tls_tickets_current(keys->tickets), missed = tls_tickets_missed(keys->tickets);

    if ((current && !missed) || (!keys->asking && !deadline_passed(keys->not_before)))
        return;
    if (!keys->asking) {
        keys->asking = true;
        task_start(run_ask, keys);
    }
    if (!current)
        while (keys->asking && task_condition_wait(&keys->answered, deadline_in(answer_limit)) == WAIT_READY)
            ;
}
