/* What smtpd offers by TLS: read once, while privileged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/tls/mail_tls.h"
#include "smtpd/tls.h"
#include "util/base/memory.h"

static bool choose_level(const struct smtpd_config *config, enum smtpd_tls_level *level, struct error *error)
{
    static const char *const client_levels[] = {"fingerprint", "verify", "secure", "dane", "dane-only"};
    const char *name = config->smtpd_tls_security_level;

    if (config->smtpd_tls_wrappermode || (*name == '\0' && config->smtpd_enforce_tls))
        *level = SMTPD_TLS_ENCRYPT;
    else if (*name == '\0')
        *level = config->smtpd_use_tls ? SMTPD_TLS_MAY : SMTPD_TLS_NONE;
    else if (string_equal_ignore_case(name, "none"))
        *level = SMTPD_TLS_NONE;
    else if (string_equal_ignore_case(name, "may"))
        *level = SMTPD_TLS_MAY;
    else if (string_equal_ignore_case(name, "encrypt"))
        *level = SMTPD_TLS_ENCRYPT;
    else {
        for (size_t i = 0; i < sizeof client_levels / sizeof *client_levels; i++)
            if (string_equal_ignore_case(name, client_levels[i])) {
                log_warning(NULL, "smtpd_tls_security_level: unsupported level \"%s\", using \"encrypt\"", name);
                *level = SMTPD_TLS_ENCRYPT;
                return true;
            }
        return error_set(error, "Invalid TLS level \"%s\": smtpd_tls_security_level is none, may or encrypt", name);
    }
    return true;
}

static bool read_file(const char *path, struct text *content, struct error *error)
{
    FILE *file = fopen(path, "re");
    char buffer[4096];
    size_t got;

    if (file == NULL)
        return error_set(error, "cannot open %s: %s", path, strerror(errno));
    while ((got = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append_bytes(content, buffer, got);
    fclose(file);
    return true;
}

static struct tls_credentials *read_credentials(const struct smtpd_config *config, struct error *error)
{
    struct tls_credentials *credentials = tls_credentials_new();
    struct text pem = {0};

    if (!read_file(config->smtpd_tls_chain_files, &pem, error) ||
        !tls_credentials_add_chain(credentials, text_string(&pem), pem.length, config->smtpd_tls_chain_files, error)) {
        tls_credentials_free(credentials);
        credentials = NULL;
    }
    tls_secret_free(&pem);
    return credentials;
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
                                    .session_context = smtpd->environment->service_name,
                                    .session_lifetime = config->smtpd_tls_session_cache_timeout};
    struct tls_credentials *credentials;

    mail_tls_settings(parameters, &settings);
    credentials = read_credentials(config, error);
    if (credentials == NULL)
        return false;
    tls->context = tls_context_new(&settings, error);
    if (tls->context != NULL)
        tls_context_set_credentials(tls->context, credentials);
    tls_credentials_free(credentials);
    return tls->context != NULL;
}

static bool read_level(struct smtpd *smtpd, const struct tls_parameters *parameters, struct error *error)
{
    const struct smtpd_config *config = smtpd->config;
    struct smtpd_tls *tls = smtpd->tls;
    bool must = tls->level == SMTPD_TLS_ENCRYPT, ask = config->smtpd_tls_ask_ccert || (must && config->smtpd_tls_req_ccert);
    const char *const exclusions[] = {config->smtpd_tls_exclude_ciphers,
                                      must ? config->smtpd_tls_mandatory_exclude_ciphers : "", ask ? "aNULL" : "", NULL};
    struct text ciphers = {0};

    if (!must && config->smtpd_tls_req_ccert)
        log_warning(NULL, "Can't require client certs unless TLS is required");
    tls->ask = must && config->smtpd_tls_req_ccert ? TLS_REQUIRE : ask ? TLS_ASK : TLS_ASK_NOT;
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
    parameters = mail_tls_start(smtpd->environment->config, error);
    if (parameters == NULL || !read_level(smtpd, parameters, error))
        return false;
    if (!make_context(smtpd, parameters, &trouble))
        log_warning(NULL, "%s", trouble.text);
    return true;
}
