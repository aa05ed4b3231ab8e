/* smtpd - receives mail over SMTP. */
#include <string.h>

#include "smtpd/restriction.h"
#include "smtpd/session.h"
#include "smtpd/setup.h"
#include "smtpd/tls.h"

static const struct parameter parameters[] = {
#define PARAMETER(...) PARAMETER_ROW(struct smtpd_config, __VA_ARGS__)
#include "smtpd/smtpd.def"
#include "smtpd/tls.def"
#undef PARAMETER
};

static const struct parameter_set smtpd_parameters = PARAMETER_SET(parameters, struct smtpd_config);

static const struct service smtpd = {
    .name = "smtpd",
    .parameters = &smtpd_parameters,
    .sandbox = SANDBOX_READ_ONLY,
    .start = smtpd_setup,
    .ready = smtpd_tls_protect,
    .session = smtpd_session,
    .serves_alone = true,
};

int main(int argc, char **argv)
{
    return service_main(&smtpd, argc, argv);
}
