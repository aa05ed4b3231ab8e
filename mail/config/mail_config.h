/* mail_config - the parameters that every program needs, filled once at start. */
#ifndef MAIL_CONFIG_MAIL_CONFIG_H
#define MAIL_CONFIG_MAIL_CONFIG_H

#include "mail/config/config.h"

struct mail_config {
#define PARAMETER PARAMETER_MEMBER
#include "mail/config/mail.def"
#undef PARAMETER
};

extern const struct parameter_set mail_parameters;

#define POSTERN_MAIL_NAME "Postern"
#define POSTERN_MAIL_VERSION "3.11-postern-0.1"

/* For commands: the configuration of -c's directory (NULL: the usual one), its environment cleaned; or the end. */
struct config *mail_config_load_or_die(const char *directory);

/* Opens the process's log where syslog_name, maillog_file and the rest say. service: "smtpd", or
 * "submission/smtpd" when the master.cf name differs. */
void mail_config_open_log(const struct config *config, const struct mail_config *mail, const char *service);

/* The same for a command that an operator runs: its lines go to stderr as well. */
void mail_config_open_command_log(const struct mail_config *mail, const char *command);

/* The same, with the command's bare name on stderr: "postsuper: ABC123: removed". */
void mail_config_open_tool_log(const struct mail_config *mail, const char *command);

/* For master, and by commands: lines that postlogd cannot take, since it does not run yet, go to maillog_file
 * directly. */
void mail_config_open_master_log(const struct mail_config *mail);

#endif
