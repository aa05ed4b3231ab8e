/* What smtpd offers by TLS: read once, while privileged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "smtpd/tls.h"
#include "util/base/memory.h"
#include "util/net/tls_library.h"
#include "util/task/offload.h"

static const duration least_lifetime = 120 * SECONDS, greatest_lifetime = 100 * 86400 * SECONDS;

/* ---- the level ---- */

static const struct {
    const char *name;
    enum smtpd_tls_level level;
    bool a_clients; /* means something in smtp only */
} levels[] = {
    {"none", SMTPD_TLS_NONE, false},        {"may", SMTPD_TLS_MAY, false},
    {"encrypt", SMTPD_TLS_ENCRYPT, false},  {"fingerprint", SMTPD_TLS_ENCRYPT, true},
    {"verify", SMTPD_TLS_ENCRYPT, true},    {"secure", SMTPD_TLS_ENCRYPT, true},
};

static bool level_by_name(const char *name, enum smtpd_tls_level *level, struct error *error)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (!string_equal_ignore_case(levels[i].name, name))
            continue;
        if (levels[i].a_clients)
            log_warning(NULL, "smtpd_tls_security_level: unsupported level \"%s\", using \"encrypt\"", name);
        *level = levels[i].level;
        return true;
    }
    return error_set(error, "Invalid TLS level \"%s\": smtpd_tls_security_level is none, may or encrypt", name);
}

static bool choose_level(const struct smtpd_config *config, enum smtpd_tls_level *level, struct error *error)
{
    *level = config->smtpd_use_tls ? SMTPD_TLS_MAY : SMTPD_TLS_NONE;
    if (config->smtpd_enforce_tls || config->smtpd_tls_wrappermode)
        *level = SMTPD_TLS_ENCRYPT;
    if (config->smtpd_tls_wrappermode || *config->smtpd_tls_security_level == '\0')
        return true;
    return level_by_name(config->smtpd_tls_security_level, level, error);
}

static bool read_level(struct smtpd *smtpd, const struct tls_parameters *parameters, struct error *error)
{
    const struct smtpd_config *config = smtpd->config;
    struct smtpd_tls *tls = smtpd->tls;
    bool must = tls->level == SMTPD_TLS_ENCRYPT, require = must && config->smtpd_tls_req_ccert;
    bool ask = config->smtpd_tls_ask_ccert || require;
    const char *const exclusions[] = {config->smtpd_tls_exclude_ciphers,
                                      must ? config->smtpd_tls_mandatory_exclude_ciphers : "",
                                      ask ? "aNULL" : "", NULL};
    struct text ciphers = {0};

    if (!must && config->smtpd_tls_req_ccert)
        log_warning(NULL, "Can't require client certs unless TLS is required");
    tls->ask = require ? TLS_REQUIRE : ask ? TLS_ASK : TLS_ASK_NOT;
    tls->wrapped = config->smtpd_tls_wrappermode;
    if (!mail_tls_protocols(must ? "smtpd_tls_mandatory_protocols" : "smtpd_tls_protocols",
                            must ? config->smtpd_tls_mandatory_protocols : config->smtpd_tls_protocols, &tls->protocols,
                            error) ||
        !mail_tls_ciphers(parameters, must ? config->smtpd_tls_mandatory_ciphers : config->smtpd_tls_ciphers, exclusions,
                          &ciphers, error))
        return false;
    tls->ciphers = text_take(&ciphers);
    return true;
}

/* ---- keys ---- */

static bool open_keys(struct smtpd *smtpd, const struct tls_parameters *parameters, struct error *error)
{
    const struct smtpd_config *config = smtpd->config;
    const struct key_file_names names = {
        .side = "smtpd",
        .chain_files = config->smtpd_tls_chain_files,
        .pairs = {{"RSA", config->smtpd_tls_cert_file, config->smtpd_tls_key_file},
                  {"DSA", config->smtpd_tls_dcert_file, config->smtpd_tls_dkey_file},
                  {"ECDSA", config->smtpd_tls_eccert_file, config->smtpd_tls_eckey_file}},
    };
    struct smtpd_tls *tls = smtpd->tls;

    tls->files = private_files_new();
    tls->keys = key_files_new(&names, tls->files);
    tls->names = server_names_open(parameters->tls_server_sni_maps, tls->files, error);
    if (tls->names == NULL || !private_files_start(tls->files, error))
        return false;
    tls->without_keys = !key_files_named(tls->keys) && strcmp(config->smtpd_tls_cert_file, "none") == 0;
    if (!key_files_named(tls->keys) && !tls->without_keys)
        log_warning(NULL, "No server certs available. TLS won't be enabled");
    return true;
}

bool smtpd_tls_ready(struct smtpd_tls *tls)
{
    struct tls_credentials *credentials;

    if (tls->context == NULL)
        return false;
    credentials = key_files_current(tls->keys);
    tls_context_set_credentials(tls->context, credentials);
    return credentials != NULL || tls->without_keys;
}

/* ---- the context ---- */

/* Whatever makes one client's session unfit for being resumed by another service: its ticket will not be taken. */
static char *session_context(const struct smtpd *smtpd)
{
    const struct smtpd_config *config = smtpd->config;

    return memory_format("smtpd %s %d %s %s %s", smtpd->environment->service_name, (int)smtpd->tls->ask,
                         config->smtpd_tls_CAfile, config->smtpd_tls_CApath, smtpd->tls->ciphers);
}

static duration session_lifetime(const struct smtpd_config *config)
{
    duration lifetime = config->smtpd_tls_session_cache_timeout;

    if (lifetime <= 0)
        return 0;
    return lifetime < least_lifetime ? least_lifetime : lifetime > greatest_lifetime ? greatest_lifetime : lifetime;
}

static bool make_context(struct smtpd *smtpd, const struct tls_parameters *parameters, struct error *error)
{
    const struct smtpd_config *config = smtpd->config;
    struct smtpd_tls *tls = smtpd->tls;
    struct tls_settings settings = {.server = true,
                                    .ca_file = config->smtpd_tls_CAfile,
                                    .ca_path = config->smtpd_tls_CApath,
                                    .verify_depth = (int)config->smtpd_tls_ccert_verifydepth,
                                    .digest = config->smtpd_tls_fingerprint_digest,
                                    .dh_file = config->smtpd_tls_dh1024_param_file,
                                    .ciphers = tls->ciphers,
                                    .in_threads = true,
                                    .goodbye_limit = parameters->tls_fast_shutdown_enable ? 0 : config->smtpd_starttls_timeout,
                                    .session_lifetime = session_lifetime(config)};

    tls->session_lifetime = settings.session_lifetime;
    tls->cached = *config->smtpd_tls_session_cache_database != '\0' && settings.session_lifetime > 0;
    settings.session_ids = config->smtpd_tls_always_issue_session_ids || tls->cached;
    mail_tls_settings(parameters, &settings);
    if (settings.session_lifetime > 0) {
        tls->tickets = ticket_keys_new(parameters, smtpd->environment->service_name, error);
        if (tls->tickets == NULL)
            return false;
        settings.tickets = ticket_keys_tickets(tls->tickets);
    }
    settings.session_context = session_context(smtpd);
    tls->context = tls_context_new(&settings, error);
    free((char *)settings.session_context);
    return tls->context != NULL;
}

/* What cannot be had here is said once. */
static void warn(const struct smtpd_config *config)
{
    if (config->smtpd_tls_enable_rpk && !tls_library_has_raw_keys())
        log_warning(NULL, "smtpd_tls_enable_rpk = yes: raw public keys need OpenSSL 3.2 or later, this is %s: clients are "
                          "shown certificates only", tls_library_running());
    if (config->smtpd_tls_loglevel >= TLS_LOG_STEPS)
        log_info(NULL, "initializing the server-side TLS engine");
}

/* An instance of an ordinary user's stays visible to him; he may read the keys anyway. */
bool smtpd_tls_protect(struct service_environment *environment, struct error *error)
{
    const struct smtpd *smtpd = environment->state;
    const struct rlimit none = {0, 0};

    if (smtpd->tls == NULL)
        return true;
    if (setrlimit(RLIMIT_CORE, &none) == 0 && (!smtpd->tls->privileged || prctl(PR_SET_DUMPABLE, 0) == 0))
        return true;
    return error_set(error, "core files cannot be forbidden: %s", strerror(errno));
}

bool smtpd_tls_setup(struct smtpd *smtpd, struct error *error)
{
    const struct tls_parameters *parameters;
    enum smtpd_tls_level level;
    struct error trouble;

    if (!choose_level(smtpd->config, &level, error))
        return false;
    if (level == SMTPD_TLS_NONE)
        return true;
    smtpd->tls = memory_new(sizeof *smtpd->tls);
    smtpd->tls->level = level;
    smtpd->tls->privileged = geteuid() == 0;
    warn(smtpd->config);
    smtpd->tls->relay_clientcerts = table_list_open(smtpd->config->relay_clientcerts, error);
    if (smtpd->tls->relay_clientcerts == NULL)
        return error_prefix(error, "relay_clientcerts: ");
    parameters = mail_tls_parameters(smtpd->environment->config, error);
    if (parameters == NULL || !open_keys(smtpd, parameters, error))
        return false;
    if (!mail_tls_library(parameters, &trouble) || !read_level(smtpd, parameters, &trouble) ||
        !make_context(smtpd, parameters, &trouble))
        log_warning(NULL, "%s: disabling TLS support", trouble.text);
    smtpd_tls_ready(smtpd->tls);
    offload_set_threads((int)sysconf(_SC_NPROCESSORS_ONLN)); /* more would only be in each other's way */
    return true;
}
