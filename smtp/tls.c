#include "smtp/tls.h"

#include <stdlib.h>
#include <string.h>

#include "mail/tls/session_cache.h"
#include "smtp/tls_report.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/task.h"

enum { TICKETS_KEPT = 2 };

/* ---- start ---- */

static bool open_keys(struct smtp_tls *tls, const struct smtp_config *config, bool lmtp, struct error *error)
{
    const struct key_file_names names = {
        .side = lmtp ? "lmtp" : "smtp",
        .chain_files = config->tls_chain_files,
        .pairs = {{"RSA", config->tls_cert_file, config->tls_key_file},
                  {"DSA", config->tls_dcert_file, config->tls_dkey_file},
                  {"ECDSA", config->tls_eccert_file, config->tls_eckey_file}},
    };

    tls->files = private_files_new();
    tls->keys = key_files_new(&names, tls->files);
    return private_files_count(tls->files) == 0 || private_files_start(tls->files, error);
}

static bool make_contexts(struct smtp_tls *tls, const struct smtp_config *config, struct error *error)
{
    struct tls_settings settings = {.ca_file = config->tls_CAfile,
                                    .ca_path = config->tls_CApath,
                                    .verify_depth = (int)config->tls_scert_verifydepth,
                                    .digest = config->tls_fingerprint_digest,
                                    .dane_digests = tls->parameters->tls_dane_digests,
                                    .session_lifetime = tls->session_lifetime,
                                    .goodbye_limit = tls->parameters->tls_fast_shutdown_enable ? 0 : config->starttls_timeout};

    mail_tls_settings(tls->parameters, &settings);
    tls->context = tls_context_new(&settings, error);
    if (tls->context == NULL || !config->smtp_mta_sts || settings.default_ca)
        return tls->context != NULL;
    settings.default_ca = true;
    tls->public_context = tls_context_new(&settings, error);
    return tls->public_context != NULL;
}

static bool read_insecure_mx_policy(const char *name, enum smtp_tls_level *level, struct error *error)
{
    if (smtp_tls_level_by_name(name, level) &&
        (*level == SMTP_TLS_MAY || *level == SMTP_TLS_ENCRYPT || *level == SMTP_TLS_DANE))
        return true;
    return error_set(error, "invalid smtp_tls_dane_insecure_mx_policy: \"%s\": it is may, encrypt or dane", name);
}

/* What it says may be that TLS is a must. */
static void warn_of_old_policy(const struct config *main_cf, bool lmtp)
{
    const char *name = lmtp ? "lmtp_tls_per_site" : "smtp_tls_per_site";

    if (*config_get(main_cf, name) != '\0')
        log_warning(NULL, "%s has no effect: %s_tls_policy_maps takes its place (MUST is verify, MUST_NOPEERMATCH encrypt)",
                    name, lmtp ? "lmtp" : "smtp");
}

struct smtp_tls *smtp_tls_new(const struct config *main_cf, const struct smtp_config *config, bool lmtp,
                              struct error *error)
{
    struct smtp_tls *tls = memory_new(sizeof *tls);
    struct error trouble;

    warn_of_old_policy(main_cf, lmtp);
    tls->parameters = mail_tls_parameters(main_cf, error);
    tls->policies = table_list_open(config->tls_policy_maps, error);
    tls->requiretls = smtp_requiretls_policy_new(config->requiretls_policy, error);
    if (tls->parameters == NULL || tls->policies == NULL || tls->requiretls == NULL ||
        !open_keys(tls, config, lmtp, error) ||
        !read_insecure_mx_policy(config->smtp_tls_dane_insecure_mx_policy, &tls->insecure_mx, error))
        return NULL;
    if (*config->tls_session_cache_database != '\0')
        tls->session_lifetime = config->tls_session_cache_timeout;
    if (!mail_tls_library(tls->parameters, &trouble) || !make_contexts(tls, config, &trouble))
        log_warning(NULL, "%s: disabling TLS support", trouble.text);
    return tls;
}

/* ---- trouble ---- */

static bool fail(const struct smtp_session *session, const char *dsn, struct arena *arena, struct smtp_trouble *trouble)
{
    trouble->dsn = arena_copy(arena, dsn);
    trouble->relay = arena_copy(arena, session->relay);
    return false;
}

/* Without TLS, which is fine where the policy does not insist. */
static bool not_offered(struct smtp_session *session, const struct smtp_tls_policy *policy, struct arena *arena,
                        struct smtp_trouble *trouble)
{
    if (policy->level < SMTP_TLS_ENCRYPT)
        return true;
    error_set(&trouble->reason, "TLS is required, but was not offered by host %s", session->peer);
    trouble->lack = TROUBLE_NO_STARTTLS;
    return fail(session, "4.7.4", arena, trouble);
}

static bool refused(struct smtp_session *session, const struct smtp_tls_policy *policy, struct arena *arena,
                    struct smtp_trouble *trouble)
{
    const char *said = smtp_reply_line(&session->reply, arena);

    smtp_tls_note(session, TLS_FAILURE_STARTTLS_NOT_SUPPORTED, said);
    if (policy->level < SMTP_TLS_ENCRYPT)
        return true;
    error_set(&trouble->reason, "TLS is required, but host %s refused to start TLS: %s", session->peer, said);
    trouble->diagnostic = said;
    trouble->remote_mta = arena_copy(arena, session->host);
    session->reply.dsn[0] = '4'; /* another host, or this one later, may be better at it */
    return fail(session, session->reply.dsn, arena, trouble);
}

/* ---- sessions that may be resumed ---- */

static const char *cache_name(const struct smtp_session *session)
{
    return session->client->lmtp ? "lmtp" : "smtp";
}

static const char *session_key(const struct smtp_session *session, const struct smtp_tls_policy *policy,
                               struct arena *arena)
{
    return arena_format(arena, "%s %s %s", session->relay, session->client->config->helo_name, policy->identity);
}

struct keeping {
    const char *cache;
    char *key;
    struct text bytes;
    duration lifetime;
};

static void keep(void *argument)
{
    struct keeping *keeping = argument;

    session_cache_keep(keeping->cache, keeping->key, keeping->bytes.data, keeping->bytes.length, keeping->lifetime);
    free(keeping->key);
    text_wipe(&keeping->bytes);
    free(keeping);
}

/* OpenSSL's callbacks cannot wait for tlsmgr: a task of its own does, one after the other. Of length 0: what was kept goes. */
static void begin_keeping(const struct smtp_session *session, const void *bytes, size_t length)
{
    struct keeping *keeping = memory_new(sizeof *keeping);

    keeping->cache = cache_name(session);
    keeping->key = memory_copy_string(session->tls_key);
    text_append_bytes(&keeping->bytes, bytes, length);
    keeping->lifetime = session->client->tls->session_lifetime;
    task_start(keep, keeping);
}

/* Servers may send as many tickets as they like; one would do. */
static void keep_session(void *context, const void *bytes, size_t length)
{
    struct smtp_session *session = context;

    if (session->tickets++ < TICKETS_KEPT)
        begin_keeping(session, bytes, length);
}

/* ---- the handshake ---- */

static void fill_match(const struct smtp_session *session, const struct smtp_tls_policy *policy, struct arena *arena,
                       struct tls_match *match)
{
    *match = (struct tls_match){.by = TLS_MATCH_TRUST};
    if (smtp_tls_level_is_dane(policy->level)) {
        match->by = TLS_MATCH_DANE;
        match->names = smtp_tls_policy_names(policy, session->host, arena);
        match->tlsa = policy->tlsa;
        match->tlsa_count = policy->tlsa_count;
    } else if (policy->level == SMTP_TLS_FINGERPRINT) {
        match->by = TLS_MATCH_FINGERPRINT;
        match->fingerprints = smtp_tls_policy_fingerprints(policy, arena);
    } else if (policy->level > SMTP_TLS_FINGERPRINT || policy->source == TLS_POLICY_STS) {
        match->by = TLS_MATCH_NAMES;
        match->names = smtp_tls_policy_names(policy, session->host, arena);
        match->anchors = policy->anchors;
    }
}

struct tls_context *smtp_tls_prepare(const struct smtp_session *session, const struct smtp_tls_policy *policy,
                                     struct arena *arena, struct tls_match *match, struct tls_handshake *handshake)
{
    const struct smtp_config *config = session->client->config;
    struct smtp_tls *tls = session->client->tls;
    struct tls_context *context = policy->public_cas && tls->public_context != NULL ? tls->public_context : tls->context;

    if (config->tls_loglevel >= TLS_LOG_STEPS)
        log_info(NULL, "setting up TLS connection to %s", session->relay);
    fill_match(session, policy, arena, match);
    tls_context_set_credentials(context, key_files_named(tls->keys) ? key_files_current(tls->keys) : NULL);
    *handshake = (struct tls_handshake){.peer = session->relay,
                                        .log_level = (int)config->tls_loglevel,
                                        .deadline = deadline_in(config->starttls_timeout),
                                        .protocols = policy->protocols,
                                        .ciphers = policy->ciphers,
                                        .server_name = smtp_tls_policy_server_name(policy, session->host),
                                        .match = match,
                                        .bind = config->sasl_auth_enable};
    return context;
}

static void note_failure(struct smtp_session *session, enum tls_result result, const struct error *error)
{
    const char *reason = result == TLS_TIMEOUT ? "Connection timed out" : result == TLS_LOST ? "lost connection" : error->text;

    if (result != TLS_CANCELLED)
        smtp_tls_note(session, TLS_FAILURE_VALIDATION, reason);
}

static enum tls_result connect_tls(struct smtp_session *session, const struct smtp_tls_policy *policy,
                                   struct tls_peer *peer, struct arena *arena, struct error *error)
{
    struct smtp_tls *tls = session->client->tls;
    struct tls_context *context;
    struct tls_match match;
    struct tls_handshake handshake;
    struct text resumable = {0};
    enum tls_result result;

    context = smtp_tls_prepare(session, policy, arena, &match, &handshake);
    if (tls->session_lifetime > 0) {
        session->tls_key = session_key(session, policy, session->arena);
        if (session_cache_find(cache_name(session), session->tls_key, &resumable)) {
            handshake.session = resumable.data;
            handshake.session_length = resumable.length;
        }
        handshake.new_session = keep_session;
        handshake.session_context = session;
    }
    result = tls_connect(context, session->stream, &handshake, session->arena, peer, error);
    if (result != TLS_OK && resumable.length > 0)
        session_cache_forget(cache_name(session), session->tls_key);
    text_wipe(&resumable);
    return result;
}

/* A server that is refused may be better when it is asked again: what it is has to be seen anew then. */
static void keep_no_session(struct smtp_session *session)
{
    session->tickets = TICKETS_KEPT;
    if (session->tls_key != NULL)
        begin_keeping(session, "", 0);
}

bool smtp_tls_judge(const struct smtp_tls_policy *policy, struct tls_peer *peer)
{
    bool verified = peer->trust == TLS_VERIFIED;

    if (verified && policy->forgeable) { /* it is who it says, but perhaps not who it should be */
        peer->trust = TLS_TRUSTED;
        peer->trust_word = "Trusted";
    }
    return verified || policy->level < SMTP_TLS_DANE;
}

static bool begin(struct smtp_session *session, const struct smtp_tls_policy *policy, struct arena *arena,
                  struct smtp_trouble *trouble)
{
    struct tls_peer *peer = arena_alloc(session->arena, sizeof *peer);
    struct error error = {.text = ""};
    enum tls_result result = connect_tls(session, policy, peer, arena, &error);
    bool good;

    if (result != TLS_OK) {
        note_failure(session, result, &error);
        smtp_tls_log_failure(session, result, &error);
        session->dead = true;
        session->tls_failed = true;
        error_set(&trouble->reason, "Cannot start TLS: handshake failure");
        return fail(session, "4.7.5", arena, trouble);
    }
    good = smtp_tls_judge(policy, peer);
    session->tls = peer;
    /* What was only looked at (MTA-STS, testing) is worth nothing to logins: the name may be an attacker's. */
    session->security = peer->trust == TLS_VERIFIED && policy->level >= SMTP_TLS_DANE ? SESSION_VERIFIED : SESSION_ENCRYPTED;
    session->binding = mail_tls_binding(peer, session->arena);
    if (session->client->config->tls_loglevel >= TLS_LOG_SUMMARY) {
        if (!good)
            smtp_tls_log_distrust(session, peer);
        smtp_tls_log_agreed(session, peer);
    }
    smtp_tls_note_peer(session, policy, peer, good);
    if (good)
        return true;
    error_set(&trouble->reason, "Server certificate not verified");
    trouble->lack = TROUBLE_NOT_VERIFIED;
    keep_no_session(session);
    return fail(session, "4.7.5", arena, trouble);
}

bool smtp_tls_secure(struct smtp_session *session, const struct smtp_tls_policy *policy, bool wrapped, bool *begun,
                     struct arena *arena, struct smtp_trouble *trouble)
{
    bool offered = (session->offer.features & EHLO_STARTTLS) != 0;

    *begun = false;
    if (policy->level == SMTP_TLS_NONE || session->client->tls->context == NULL) {
        if (!wrapped && offered && session->client->config->tls_note_starttls_offer)
            log_info(NULL, "Host offered STARTTLS: [%s]", session->host);
        return not_offered(session, policy, arena, trouble);
    }
    if (!wrapped && !offered) {
        smtp_tls_note(session, TLS_FAILURE_STARTTLS_NOT_SUPPORTED, "");
        return not_offered(session, policy, arena, trouble);
    }
    if (!wrapped) {
        stream_print(session->stream, "STARTTLS\r\n");
        if (!smtp_session_receive(session, session->client->config->starttls_timeout)) {
            smtp_session_lost(session, "performing the STARTTLS handshake", arena, trouble);
            return false;
        }
        if (session->reply.code / 100 != 2)
            return refused(session, policy, arena, trouble);
    }
    *begun = begin(session, policy, arena, trouble);
    return *begun;
}
