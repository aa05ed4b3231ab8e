/* mail_tls - the tls_* parameters, and how they become settings of util/net/tls. For servers and clients. */
#ifndef MAIL_TLS_MAIL_TLS_H
#define MAIL_TLS_MAIL_TLS_H

#include "mail/config/config.h"
#include "mail/config/parameter.h"
#include "mail/sasl/mechanism.h"
#include "util/net/tls.h"

struct tls_parameters {
#define PARAMETER PARAMETER_MEMBER
#include "mail/tls/tls.def"
#undef PARAMETER
};

/* Reads the parameters; they live as long as the process. NULL: see error. */
const struct tls_parameters *mail_tls_parameters(const struct config *config, struct error *error);
/* Starts OpenSSL as they say: once, before anything else of util/net/tls. False: no TLS. */
bool mail_tls_library(const struct tls_parameters *parameters, struct error *error);

/* The part of the settings that all uses share; the rest is the caller's. */
void mail_tls_settings(const struct tls_parameters *parameters, struct tls_settings *settings);

/* The protocols and ciphers of a security level: protocols as main.cf lists them, a cipher grade, and lists of
 * exclusions (NULL ends). parameter names the protocol list, for errors. */
bool mail_tls_protocols(const char *parameter, const char *list, struct tls_protocols *protocols, struct error *error);
bool mail_tls_ciphers(const struct tls_parameters *parameters, const char *grade, const char *const *exclusions,
                      struct text *list, struct error *error);

/* What ties a login to the connection, so that nobody between can pass it on; in the arena, borrowed from peer. NULL: there
 * is nothing. The handshake has to have asked for it (tls_handshake.bind). */
const struct sasl_binding *mail_tls_binding(const struct tls_peer *peer, struct arena *arena);

#endif
