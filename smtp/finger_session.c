/* The conversation of posttls-finger: greeting, EHLO, STARTTLS, EHLO, QUIT. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/finger.h"
#include "smtp/tls.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/net/crypto.h"

struct talk {
    const struct finger *finger;
    struct smtp_session *session;
    const struct smtp_tls_policy *policy;
    struct finger_seen *seen;
    bool again;
    char *key; /* of what may be resumed */
};

void finger_seen_init(struct finger_seen *seen)
{
    *seen = (struct finger_seen){.sessions = map_new()};
}

static void free_session(void *session)
{
    text_wipe(session);
    free(session);
}

void finger_seen_free(struct finger_seen *seen)
{
    free(seen->server);
    map_free_with(seen->sessions, free_session);
}

/* ---- what is said ---- */

static void show_reply(const struct talk *talk)
{
    char *copy = memory_copy_string(text_string(&talk->session->reply.text)), *cursor = copy, *line;

    while (!talk->finger->silent && (line = strsep(&cursor, "\n")) != NULL)
        log_info(NULL, "< %s", line);
    free(copy);
}

/* False: the connection is gone, and that has been said. */
static bool hear(const struct talk *talk, duration limit, const char *doing)
{
    if (smtp_session_receive(talk->session, limit)) {
        show_reply(talk);
        return true;
    }
    log_info(NULL, "%s while %s", stream_status(talk->session->stream) == STREAM_TIMEOUT ? "timeout" : "lost connection", doing);
    return false;
}

static bool ask(const struct talk *talk, const char *command)
{
    char doing[32];

    snprintf(doing, sizeof doing, "sending %.*s", (int)strcspn(command, " "), command);
    if (!talk->finger->silent)
        log_info(NULL, "> %s", command);
    stream_print(talk->session->stream, "%s\r\n", command);
    return hear(talk, talk->finger->config->helo_timeout, doing);
}

/* True: the answer is a positive one; else that has been said. */
static bool accepted(const struct talk *talk, const char *what)
{
    if (talk->session->reply.code / 100 == 2)
        return true;
    log_info(NULL, "%s: %s", what, smtp_reply_line(&talk->session->reply, talk->session->arena));
    return false;
}

static bool say_hello(const struct talk *talk)
{
    const char *verb = talk->finger->client->lmtp ? "LHLO" : "EHLO";
    char *command = memory_format("%s %s", verb, talk->finger->client->mail->myhostname);
    char *rejected = memory_format("%s rejected", verb);
    bool good = ask(talk, command) && accepted(talk, rejected);
    const char *name;

    free(command);
    free(rejected);
    if (!good)
        return false;
    ehlo_parse(text_string(&talk->session->reply.text), 0, &talk->session->offer);
    name = text_string(&talk->session->reply.text) + strlen("250-");
    free(talk->seen->server);
    talk->seen->server = memory_copy_bytes(name, strcspn(name, " \n"));
    return true;
}

/* ---- TLS ---- */

/* "[192.0.2.1]:25&0123..": the address, and what else makes a session fit: who the server was and what it had to show. */
static char *session_name(const struct talk *talk)
{
    const char *relay = strrchr(talk->session->relay, '[');
    char *whole = memory_format("%s %s", talk->seen->server != NULL ? talk->seen->server : "", talk->policy->identity);
    unsigned char digest[CRYPTO_SHA256_SIZE];
    struct text name = {0};

    crypto_sha256(whole, strlen(whole), digest);
    text_append_format(&name, "%s&", relay != NULL ? relay : talk->session->relay);
    for (size_t i = 0; i < sizeof digest; i++)
        text_append_format(&name, "%02X", digest[i]);
    free(whole);
    return text_take(&name);
}

static void keep_session(void *context, const void *bytes, size_t length)
{
    struct talk *talk = context;
    struct text *session = memory_new(sizeof *session);

    if (talk->again || (talk->finger->log & FINGER_SESSIONS) != 0)
        log_info(NULL, "save session %s to memory cache", talk->key);
    text_append_bytes(session, bytes, length);
    session = map_set(talk->seen->sessions, talk->key, session);
    if (session != NULL)
        free_session(session);
}

static void resume_session(struct talk *talk, struct tls_handshake *handshake)
{
    bool tell = talk->again || (talk->finger->log & FINGER_SESSIONS) != 0;
    const struct text *kept;

    free(talk->key);
    talk->key = session_name(talk);
    kept = map_get(talk->seen->sessions, talk->key);
    handshake->new_session = keep_session;
    handshake->session_context = talk;
    if (tell)
        log_info(NULL, "looking for session %s in memory cache", talk->key);
    if (kept == NULL)
        return;
    handshake->session = kept->data;
    handshake->session_length = kept->length;
    if (tell)
        log_info(NULL, "reloaded session %s from memory cache", talk->key);
}

static void print_chain(const struct tls_peer *peer)
{
    printf("\n---\nCertificate chain\n");
    for (size_t i = 0; i < peer->chain_length; i++) {
        const struct tls_certificate *certificate = &peer->chain[i];

        printf("%2zu subject: %s\n    issuer: %s\n   cert digest=%s\n   pkey digest=%s\n%s", i, certificate->subject,
               certificate->issuer, certificate->fingerprint, certificate->key_fingerprint, certificate->pem);
    }
}

static void tell_peer(const struct talk *talk, struct tls_peer *peer)
{
    const struct finger *finger = talk->finger;
    bool good = smtp_tls_judge(talk->policy, peer);

    if (talk->again && peer->resumed)
        log_info(NULL, "%s: Reusing old session", talk->session->relay);
    if (!good)
        smtp_tls_log_distrust(talk->session, peer);
    if ((finger->log & FINGER_PEER) != 0 && !talk->again && finger->config->tls_loglevel < TLS_LOG_STEPS)
        tls_log_peer(talk->session->relay, peer);
    if ((finger->log & FINGER_SUMMARY) != 0 || talk->again)
        smtp_tls_log_agreed(talk->session, peer);
    if (finger->chain && !talk->again)
        print_chain(peer);
}

static bool shake_hands(struct talk *talk)
{
    struct smtp_session *session = talk->session;
    struct tls_context *context;
    struct tls_match match;
    struct tls_handshake handshake;
    struct tls_peer peer;
    struct error error = {.text = ""};
    enum tls_result result;

    context = smtp_tls_prepare(session, talk->policy, session->arena, &match, &handshake);
    handshake.keep_chain = talk->finger->chain;
    if (talk->finger->pause > 0)
        resume_session(talk, &handshake);
    result = tls_connect(context, session->stream, &handshake, session->arena, &peer, &error);
    if (result != TLS_OK) {
        smtp_tls_log_failure(session, result, &error);
        return false;
    }
    talk->seen->encrypted = true;
    tell_peer(talk, &peer);
    return true;
}

static bool start_tls(struct talk *talk)
{
    return ask(talk, "STARTTLS") && accepted(talk, "STARTTLS rejected") && shake_hands(talk);
}

/* ---- all of it ---- */

static void converse(struct talk *talk)
{
    const struct finger *finger = talk->finger;
    bool wrapped = finger->config->tls_wrappermode, possible = finger->client->tls->context != NULL;
    const char *unavailable = finger->client->lmtp ? "LMTP service not available" : "SMTP service not available";

    if (wrapped && (!possible || !shake_hands(talk)))
        return;
    if (!hear(talk, finger->config->connect_timeout, "reading server greeting") || !accepted(talk, unavailable) ||
        !say_hello(talk))
        return;
    if (!wrapped && possible && talk->policy->level != SMTP_TLS_NONE &&
        (talk->session->offer.features & EHLO_STARTTLS) != 0 && (!start_tls(talk) || !say_hello(talk)))
        return;
    ask(talk, "QUIT");
}

bool finger_session(const struct finger *finger, const struct smtp_host *host, const struct smtp_tls_policy *policy, bool again,
                    struct finger_seen *seen, struct smtp_trouble *trouble)
{
    struct talk talk = {.finger = finger, .policy = policy, .seen = seen, .again = again};

    talk.session = smtp_session_connect(finger->client, host, finger->arena, trouble);
    if (talk.session == NULL)
        return false;
    if (!finger->silent && !again)
        log_info(NULL, "Connected to %s", talk.session->relay);
    converse(&talk);
    talk.session->dead = true; /* goodbye has been said */
    smtp_session_close(talk.session);
    free(talk.key);
    return true;
}
