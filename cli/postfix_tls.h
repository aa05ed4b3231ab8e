/* postfix_tls - what the parts of `postfix tls` share. */
#ifndef CLI_POSTFIX_TLS_H
#define CLI_POSTFIX_TLS_H

#include "cli/postfix_commands.h"
#include "util/base/error.h"
#include "util/base/text.h"

/* The algorithms that postfix tls makes keys of, and the parameters where they are set. */
struct tls_algorithm {
    const char *name, *certificate_parameter, *key_parameter;
    const char *prefix; /* of the files' names: "ec" */
};
const struct tls_algorithm *tls_algorithm_find(const char *name);        /* NULL: no such */
const struct tls_algorithm *tls_algorithm_at(size_t index);              /* NULL: past the last */

/* A whole file; relative to the configuration directory. Dies when it cannot be read. content is wiped by the caller. */
char *tls_file_path(const struct postfix_command *command, const char *name);
void tls_file_read(const char *path, struct text *content);

/* postfix_tls_keys.c: each subcommand's exit status. */
int tls_new_server_key(struct postfix_command *command);
int tls_new_server_cert(struct postfix_command *command);
int tls_deploy_server_cert(struct postfix_command *command);
int tls_output_server_csr(struct postfix_command *command);
int tls_output_server_tlsa(struct postfix_command *command);
/* A new key and certificate, at once in use. False: said why. */
void tls_enable_new_key(struct postfix_command *command, const char *algorithm, const char *size, char *const *hosts);

/* postfix_tls_status.c */
int tls_status(struct postfix_command *command);

#endif
