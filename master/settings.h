/* settings - main.cf and master.cf as master sees them: read together, replaced together at reload. */
#ifndef MASTER_SETTINGS_H
#define MASTER_SETTINGS_H

#include <stdbool.h>
#include <sys/types.h>

#include "mail/config/mail_config.h"
#include "mail/config/master_cf.h"
#include "util/base/error.h"

struct master_config {
#define PARAMETER PARAMETER_MEMBER
#include "master/master.def"
#undef PARAMETER
};

struct settings {
    struct config *config;
    struct mail_config mail;
    struct master_config master;
    struct master_cf *services;
    bool owned;  /* started by root: what master makes belongs to mail_owner */
    uid_t owner; /* of the sockets */
    gid_t owner_group;
};

/* Reads both files and refuses what could not work: a line that makes no sense, a value that a program would not
 * take, a mail_owner that does not exist. The error names file and line. */
struct settings *settings_load(const char *directory, struct error *error);
void settings_free(struct settings *settings);

#endif
