#include "mail/tls/mail_tls.h"

#include "util/base/memory.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct tls_parameters, __VA_ARGS__)
#include "mail/tls/tls.def"
#undef PARAMETER
};

static const struct parameter_set tls_parameter_set = PARAMETER_SET(parameters, struct tls_parameters);

const struct tls_parameters *mail_tls_parameters(const struct config *config, struct error *error)
{
    struct tls_parameters *filled = memory_new(sizeof *filled);

    return config_fill(config, &tls_parameter_set, filled, error) ? filled : NULL;
}

bool mail_tls_library(const struct tls_parameters *from, struct error *error)
{
    return tls_library_start(from->tls_config_file, from->tls_config_name, error);
}

void mail_tls_settings(const struct tls_parameters *from, struct tls_settings *settings)
{
    settings->curves = from->tls_eecdh_auto_curves;
    settings->ffdhe_groups = from->tls_ffdhe_auto_groups;
    settings->default_ca = from->tls_append_default_CA;
    settings->prefer_own_ciphers = from->tls_preempt_cipherlist;
    settings->options = from->tls_ssl_options;
    settings->no_workarounds = from->tls_disable_workarounds;
    settings->legacy_key_fingerprints = from->tls_legacy_public_key_fingerprints;
}

bool mail_tls_protocols(const char *parameter, const char *list, struct tls_protocols *protocols, struct error *error)
{
    return tls_protocols_parse(list, protocols, error) || error_prefix(error, "%s = %s: ", parameter, list);
}

bool mail_tls_ciphers(const struct tls_parameters *from, const char *grade, const char *const *exclusions,
                      struct text *list, struct error *error)
{
    const struct tls_cipher_grades grades = {.high = from->tls_high_cipherlist,
                                             .medium = from->tls_medium_cipherlist,
                                             .low = from->tls_low_cipherlist,
                                             .export = from->tls_export_cipherlist,
                                             .null = from->tls_null_cipherlist};

    return tls_cipher_list(&grades, grade, exclusions, list, error);
}

const struct sasl_binding *mail_tls_binding(const struct tls_peer *peer, struct arena *arena)
{
    struct sasl_binding *binding;

    if (peer->end_point_length == 0)
        return NULL;
    binding = arena_alloc(arena, sizeof *binding);
    *binding = (struct sasl_binding){"tls-server-end-point", peer->end_point, peer->end_point_length};
    return binding;
}
