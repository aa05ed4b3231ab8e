/* used - the names that an instance gives a meaning to: more than the parameters of the .def lists.
 *
 * TRANSPORT_destination_concurrency_limit and the like for each service of master.cf, the restriction classes that
 * smtpd_restriction_classes declares, the names that some value refers to with $name, and the settings of lookup
 * tables that keep theirs in main.cf (ldap:NAME has NAME_server_host). */
#ifndef MAIL_CONFIG_USED_H
#define MAIL_CONFIG_USED_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct config_names;
struct master_cf;

/* master_cf may be NULL. Borrows nothing. */
struct config_names *config_names_new(const struct config *config, const struct master_cf *master_cf);
void config_names_free(struct config_names *names);
bool config_names_have(const struct config_names *names, const char *name);

/* An argument list's next -o assignment: "-o", "name=value" or "-oname=value". NULL at the end, or where a
 * word is no option: what follows is a command's. *position starts at 1. */
const char *master_arguments_next_override(char *const *arguments, size_t *position);

#endif
