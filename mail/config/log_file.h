/* log_file - whether maillog_file may be written, and how. */
#ifndef MAIL_CONFIG_LOG_FILE_H
#define MAIL_CONFIG_LOG_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "mail/config/mail_config.h"
#include "util/base/error.h"

/* False when maillog_file is empty, is in none of maillog_file_prefixes (which keep a slip in main.cf from appending
 * to any file of the system), or when maillog_file_permissions makes no sense. */
bool log_file_allowed(const struct mail_config *mail, mode_t *mode, struct error *error);

#endif
